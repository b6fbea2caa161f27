"""What stands over the whole page, whatever tab is open: its head with the switch between light and dark, the list of
the keys, and the scripts of the browser's side.

`header` is the markup; `scripts` puts the files beside it into the head of the page: `page.js` (files that are dropped
or pasted, ways to a place), `theme.js` (light and dark), `keys.js` (what the keyboard does),
`viewer.js` (pictures seen closely, and two of them compared), `saying.js` (what screen
readers are told of the work).
"""
