"""An index in a folder: qdrant-edge, in this process or another, its ledger, its room on the disk, its snapshots."""
