"""Who somebody is, where the studio is for many (`--accounts`); without that, nothing here is used.

- `passwords` has their rules and hashes, `tries` bounds wrong ones, `logins` signs the cookies by which somebody stays
  logged in; `accounts` puts that together with the rows of `foundation.jobs.store.users`, and knows what each role may
  use. What somebody has used is told in `words`.
- `pages` are the pages for logging in and for one's own account; `app.users` is `python -m app users`.

`app.web.door` asks for the account of every request; `app.visitors.visitor` then has it wherever the request is
answered. An account has an owner of its own, whose the jobs, presets and pictures are, as a browser's secret is one
elsewhere.
"""
