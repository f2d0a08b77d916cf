"""One explained picture as HTML, in Korean and English, with no other file and no network (`picture.css`,
`picture.js`)."""
