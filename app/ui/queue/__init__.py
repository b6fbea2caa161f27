"""Your jobs: those that run or wait, of all tabs, above the tabs. `your_jobs` has the widget and its events, `markup`
what is shown; `your_jobs.js` is the browser's part: the title and icon of its tab, and notifications.
"""
