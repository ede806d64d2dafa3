"""Everything that a request passes through. One predict request, as `app.create_app` lays it out:

1. nginx ends TLS, caps sizes and rates per address, and rebuilds what identifies the caller.
2. A Gunicorn worker takes it from a unix socket (`worker`).
3. `request_context` gives it an id, a deadline and a clock, and refuses what waited too long.
4. `auth.access` turns its token into a `principal`, or refuses: deny by default.
5. `admission` refuses at once what is known to be over a limit; `auth.access` checks the scope.
6. `resources.predict` has `wire` parse the body and `dialects.native` read its rows.
7. `inference` checks the contract, charges the call (`limits`), and asks the model in time.
8. The answer is encoded, gets its RateLimit fields and security headers, and goes out.
9. Then the lease is given back, and the request's one event is logged.

Any raise on the way becomes one problem (`errors`). What operations decide reaches each worker as
a snapshot (`control`); the token service is an app of its own (`token_app`).
"""
