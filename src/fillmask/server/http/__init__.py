"""The HTTP layer: routes, middleware, schemas, and errors as clients see them.

This package does not know how a task runs; it calls the service.
"""
