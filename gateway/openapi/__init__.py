"""The OpenAPI document, made of the running routes and the contracts that a caller may use.

What an endpoint takes and gives, its dialect says (`gateway.dialects.operation`); what follows
from the route is added here. Source: OpenAPI Specification 3.1.1.
"""
