"""The web server's entry point."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_manager.settings")
os.environ.setdefault("IM_PROCESS", "web")

application = get_wsgi_application()

from integration_manager.startup import refuse_wrong_role  # noqa: E402 (needs Django set up)

refuse_wrong_role()
