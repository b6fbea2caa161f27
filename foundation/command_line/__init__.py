"""What all commands share: one frame for errors and interrupts, arguments with limits, settings.

- `program` runs a command: no traceback for anything that a user can type or bring.
- `arguments` reads numbers within limits; `flags` makes flags of the fields of a configuration; `settings` reads
  configurations and checks them.
- `commands` names the commands of the generator, and answers `--help` before anything is loaded.
"""
