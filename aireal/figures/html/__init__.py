"""HTML of one explained picture, for pages and files that need no other file and no network; `page.css` and `page.js` belong to it."""
