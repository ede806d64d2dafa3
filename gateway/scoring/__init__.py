"""`gateway score` without its command: a file of rows goes through the API and comes back scored.

A client like any other: it speaks HTTP, and imports nothing of the server (an import rule holds
it to that), so that it could be given to partners alone. From the outside in:

1. `job` reads chunks, keeps several calls in flight, writes answers in the order of the file.
2. `inputs`, `outputs`, `refused` and `journal` are the files: streamed, never held whole.
3. `cells` turns what a file holds into what the model's contract says.
4. `chunk_call` has one chunk answered, whatever it takes: refused rows are taken out, a chunk
   that is too much is halved.
5. `api` makes a call that arrives: tokens, limits, and what is safe to try again.
"""
