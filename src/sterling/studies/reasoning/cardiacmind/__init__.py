"""Process rewards for clinical reasoning, and what exploits earn from them."""
