"""What is known of kinds of alerts beyond their words."""

# The machine tries again by itself, and the alert ends by itself: nobody has to act.
BY_ITSELF = ("unreachable", "service_failing", "delivery_failing", "tracking_failing", "cancel_failing")
