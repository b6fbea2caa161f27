"""Weights from elsewhere: fetched with progress, resumed, checked.

- `connection` opens addresses, within what is allowed (`own_machine`: which hosts are this machine itself).
- `download` fetches one file, resumed where it was left; `weights` says by digest and format whether it may be loaded.
"""
