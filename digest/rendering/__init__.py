"""Turning finished values into finished message bytes: no query, no network, no clock.

A *layout* is a folder of three files in `templates/email/` (`subject.txt`, `body.mjml`, `body.txt`), compiled once into
a `stationery`; a `press` prints one edition on it, for everybody. In the files `{{ }}` and `{% %}` are filled for each
mail, `[[ ]]` and `[% %]` once, when the layout is compiled (colours, `extends`, `include`). A file opens and closes its
own tags. What the files may print is listed in `page`; a tag that MJML does not know, a variable that nobody sets and a
placeholder that MJML swallows are errors with file and line.
"""
