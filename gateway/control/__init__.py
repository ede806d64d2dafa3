"""What operations decide: partners, credentials, keys, revocations, active model versions.

Written through `store`, read as one frozen `snapshot`. The request path never waits for either.
"""
