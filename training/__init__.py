"""BYOL: footage -> two views -> byol -> step."""
