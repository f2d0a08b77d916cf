"""HTML of one explained picture, for pages and files that need no other file and no network; `picture.css` and
`picture.js` belong to it."""
