"""Handle files and bytes safely, whatever they hold: durable writes, regular files, names on one line, varints."""
