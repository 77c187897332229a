"""Signed operations decide who is a member; MLS commits carry them out; pairing makes contacts."""
