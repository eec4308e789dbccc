"""Mails: the words in six languages, the layout, and the letter as it is stored until it leaves."""
