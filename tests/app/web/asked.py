"""Requests of every kind that the page and programs make."""

ONE_OF_EACH = (
    ("GET", "/"),
    ("GET", "/theme.css"),
    ("GET", "/favicon.ico"),
    ("GET", "/assets/index.js"),
    ("GET", "/static/img/logo.svg"),
    ("GET", "/media/data/jobs/a/b.png?k=1"),
    ("GET", "/gradio_api/heartbeat/abc"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/run/predict"),
    ("GET", "/api/v1/models"),
    ("GET", "/api/v1/evaluate"),
    ("GET", "/api/v1/describe"),
    ("POST", f"/api/v1/jobs/{'0' * 32}/continue"),
    ("POST", "/api/v1/class"),
    ("POST", "/api/v1/uploads"),
    ("DELETE", f"/api/v1/jobs/{'0' * 32}"),
    ("GET", f"/api/v1/jobs/{'0' * 32}/wait"),
    ("POST", f"/api/v1/jobs/{'0' * 32}/stop"),
    ("POST", f"/api/v1/jobs/{'0' * 32}/move"),
    ("GET", "/api/v1/queue"),
    ("GET", f"/api/v1/jobs/{'0' * 32}/files/image-1.png"),
    ("GET", "/metrics"),
)
FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},  # another server on this machine
    {"Origin": "http://127.0.0.1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "user@127.0.0.1"},
)
