"""The studio for programs: the page's work over HTTP, as JSON with types, under /api/v1.

    request -> web (gate: hosts, token, routes, body) -> site.Api -> routes -> orders -> foundation.jobs
                                                            errors, as {"error": sentence}  <-'

- `values` has what is asked and answered: pydantic checks it, and /api/v1/openapi.json describes it.
- `routes` are the addresses, which `site` puts together; `owners` reads the header X-Owner, a secret that means the
  same as what a browser keeps for its page.
- `grid_order` is a grid as it is asked for; `estimates` says what orders would cost, before they are submitted.
- `orders` makes of what is asked the parameters of a job, as the page's tabs do; `files` finds those of a job by name;
  `uploads` takes pictures.
- `presets` are those of an owner, also as a file.
- `health` is for whoever runs the server: /healthz, /readyz and /metrics.

Nothing here does what the page cannot: the same models, limits, costs and owners. To add an address: a function in
`routes`, its line in `app.web.routes`, and an example in docs/api.md. What /api/v1 answers only grows; what would break
a program that uses it belongs under /api/v2.
"""
