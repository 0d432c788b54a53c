"""What recording costs: time, memory and durability of the recorder, and of going back to a recording, beside named peers."""
