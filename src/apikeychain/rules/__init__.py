"""Pure decisions: facts and the moment in, a value or a refusal out. No await, no clock, no I/O."""
