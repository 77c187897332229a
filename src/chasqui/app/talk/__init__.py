"""Push to talk: microphone and loudspeaker in the process of a person's command; keys are with the daemon."""
