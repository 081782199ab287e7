"""The subcommands of `forecourt`, one module each."""
