"""The one base of every error that a user can cause and mend."""


class StudioError(ValueError):
    """A refusal in words: the message is a sentence that says what is wrong and what to do.

    The command line and the app catch exactly this type and show its text; anything else is a bug.
    """


class NoRoomError(StudioError):
    """Nothing more can be kept: the disk is full, or somebody's share of it."""
