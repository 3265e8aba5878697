"""What is asked, of whom: each probe gives facts, and no opinion. A refusal is a fact, too; nothing here raises it."""
