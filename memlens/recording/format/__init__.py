"""How a recording lies on disk: its schema, its repository, its arrays, the limits of what is believed."""
