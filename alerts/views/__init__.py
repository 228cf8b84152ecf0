"""The pages of alerts: the tab, who is told, and the link that stops mails."""
