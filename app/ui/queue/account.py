"""Who is logged in, and what of their share they have used: a line above the jobs, where there are accounts."""

from app.accounts.accounts import Share
from app.accounts.words import ROLE_WORDS, is_nearly_used, usage_words
from app.ui.markup import markup
from app.ui.wiring.services import Studio
from app.visitors.visitor import Account, current_account
from foundation.jobs.allowance import Used


def account_line(studio: Studio) -> str:
    """The line for whoever is asking now; "" without accounts."""
    account = current_account()
    share = studio.accounts.share(account.owner) if studio.accounts is not None and account is not None else None
    if account is None or share is None:
        return ""
    used = studio.jobs.shares.used(account.owner, exactly=False)
    return line(account, share, used, studio.uploads.taken(account.owner))


def line(account: Account, share: Share, used: Used, upload_bytes: int) -> str:
    """The line: a name, what is used, and the ways to one's account and out."""
    words = "".join(f"<span>{markup.text(part)}</span>" for part in usage_words(share, used, upload_bytes))
    nearly = " data-nearly" if is_nearly_used(share, used, upload_bytes) else ""
    return (
        '<section class="cx-account" aria-label="Your account">'
        f"<span><b>{markup.text(account.name)}</b> ({ROLE_WORDS[account.role]})</span>"
        f'<span class="cx-account-use"{nearly}>{words}</span>'
        '<a class="cx-word" href="account">Your account</a>'
        '<form method="post" action="logout"><button class="cx-word">Log out</button></form></section>'
    )
