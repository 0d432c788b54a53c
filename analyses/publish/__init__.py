"""Pages of the docs and blocks of the README, written from kept results."""
