"""Flask-RESTful resources: three lines each, parse, predict, render."""
