"""The page for logging in, and the one for one's own account: each whole in one file, which asks for no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from app.accounts.passwords import LEAST
from app.accounts.words import KEPT_OF_ACCOUNTS
from app.visitors.visitor import Account
from foundation.files.text_files import read_text

STYLE_PATH = Path(__file__).with_name("pages.css")
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
"""Nothing of these pages runs, and nothing comes from elsewhere."""


def login_page(problem: str = "", name: str = "") -> str:
    """The page for logging in; ``problem`` says what was wrong, with ``name`` still filled in."""
    said = f'<p role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    told = ' aria-describedby="problem"' if problem else ""
    first, second = ("", " autofocus") if name else (" autofocus", "")
    wrong = ' aria-invalid="true"' if problem else ""
    return _page(
        "Log in",
        f"""<main><h1>CrossMax Studio</h1>
<p class="soft">Log in with the name and the password that whoever runs this studio gave you.</p>{said}
<form class="card" method="post" action="login">
<label for="name">Name</label>
<input id="name" name="name" value="{escape(name)}" autocomplete="username" autocapitalize="none" spellcheck="false"
 required maxlength="40"{wrong}{told}{first}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="200"{wrong}{told}{second}>
<button>Log in</button></form>
<p class="soft">What you make here is yours alone. No other user sees it, and you can delete all of it.</p></main>""",
    )


@dataclass(frozen=True)
class Own:
    """What the page of an account shows: what is used, whether there is a token, a new one, and what was done."""

    used: Sequence[str]
    has_token: bool
    token: str = ""
    problem: str = ""
    done: str = ""


def account_page(account: Account, own: Own) -> str:
    """The page of an account, which its user alone sees."""
    said = f'<p role="alert">{escape(own.problem)}</p>' if own.problem else ""
    said += f'<p role="status">{escape(own.done)}</p>' if own.done else ""
    used = "".join(f"<li>{escape(words)}</li>" for words in own.used)
    shown = (
        f'<p role="status">Your token, which is shown this once: <code>{escape(own.token)}</code></p>'
        if own.token
        else ""
    )
    make = "Make another token" if own.has_token else "Make a token"
    drop = (
        '<form method="post" action="account"><button class="plain" name="act" value="drop">Delete the token</button>'
        "</form>"
        if own.has_token
        else ""
    )
    return _page(
        "Your account",
        f"""<main class="wide"><p><a href="./">Back to the studio</a></p>
<h1>{escape(account.name)}</h1><p class="soft">You are {_role(account)}.</p>{said}
<section><h2>What you use</h2><ul>{used}</ul></section>
<section><h2>Your password</h2><form method="post" action="account">
<input type="hidden" name="name" value="{escape(account.name)}" autocomplete="username">
<label for="old">The one you have</label>
<input id="old" name="old" type="password" autocomplete="current-password" required maxlength="200">
<label for="new">Another one, of {LEAST} characters or more</label>
<input id="new" name="new" type="password" autocomplete="new-password" required minlength="{LEAST}" maxlength="200">
<button name="act" value="password">Change it</button></form>
<p class="soft">You are logged out on all other devices then.</p></section>
<section><h2>For your programs</h2>
<p>A token stands for your name and password in <code>Authorization: Bearer TOKEN</code>: with it the HTTP interface,
the Python client and the tools for assistants act as you. {_has(own)}</p>{shown}
<div class="row"><form method="post" action="account"><button class="plain" name="act" value="token">{make}</button>
</form>{drop}</div></section>
<section><h2>What is kept</h2><p>{escape(KEPT_OF_ACCOUNTS)}</p>
<p>"Delete everything of mine", at the foot of the studio's page, deletes results, pictures, presets and the token. The
account itself is removed by whoever runs the studio.</p></section>
<form method="post" action="logout"><button class="plain">Log out</button></form></main>""",
    )


def _role(account: Account) -> str:
    return "an owner here" if account.role == "owner" else "a guest here"


def _has(own: Own) -> str:
    return "You have one." if own.has_token else "You have none."


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - CrossMax Studio</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_style()}</style></head><body>{body}</body></html>"
    )


@cache
def _style() -> str:
    return read_text(STYLE_PATH)
