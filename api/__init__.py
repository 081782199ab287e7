"""The Starlette application, the command line and the browser client."""
