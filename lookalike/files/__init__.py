"""Files and bytes of any origin, handled safely: durable writes, regular files only, names on one line, numbers."""
