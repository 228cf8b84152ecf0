"""Who: accounts, their users, what these did."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models

from integration_manager.crypto import EncryptedJSON
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.tenancy import TenantKey, TenantModel


class Account(models.Model):
    """One customer: a 3PL with many merchants, or a single seller."""

    class Kind(models.TextChoices):
        FULFILLMENT = "fulfillment", "Fulfillment Center"
        MERCHANT = "merchant", "Merchant"

    class Verification(models.TextChoices):
        OFF = "off", "Off"
        RULES = "rules", "By the built-in rules"
        ONLINE = "online", "By the built-in rules and by look-ups"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.FULFILLMENT)
    timezone = models.CharField(max_length=40, default="America/Los_Angeles")
    created_at = models.DateTimeField(default=clock.now)
    suspended_at = models.DateTimeField(null=True, blank=True)  # nothing runs, no connection is tried
    require_two_step = models.BooleanField(default=False)  # of everybody who opens it (accounts/two_step.py)
    # Address verification of all its carts: not at all, by the built-in rules, or by look-ups too.
    verification = models.CharField(max_length=6, choices=Verification, default="rules", db_default="rules")

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Makes users, whose name for logging in is the e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        """A user with this address (kept in lower case); without a password none will log in by one."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        """An operator of this installation."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Belongs to accounts by memberships."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "Like the system"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100, blank=True)
    timezone = models.CharField(max_length=40, default="America/Los_Angeles")
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=clock.now)
    terms_accepted_at = models.DateTimeField(null=True, blank=True)
    password_handed_over = models.BooleanField(default=False, db_default=False)  # somebody else knows it

    objects = UserManager()
    USERNAME_FIELD = "email"

    def __str__(self) -> str:
        return self.name or self.email

    def set_password(self, raw_password: str | None) -> None:
        """A new one is the person's own, unless whoever sets it says otherwise afterwards."""
        super().set_password(raw_password)
        self.password_handed_over = False


class Membership(TenantModel):
    """What a user is in one account. The rights of a role: accounts/roles.py."""

    class Role(models.TextChoices):
        PRIMARY = "primary", "Primary user"
        ADMIN = "admin", "Admin user"
        MERCHANT = "merchant", "Merchant user"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, null=True, blank=True, related_name="+")
    further = ArrayField(models.BigIntegerField(), default=list, blank=True)  # ids of more merchants of a merchant user
    billing = models.BooleanField(default=False)  # may see and pay bills
    created_at = models.DateTimeField(default=clock.now)
    seen_at = models.DateTimeField(null=True, blank=True)  # last page of this account, to ten minutes
    deactivated_at = models.DateTimeField(null=True, blank=True)  # may not open the account, and is not mailed

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="one_membership_per_account"),
            models.UniqueConstraint(fields=["account"], name="one_primary_user", condition=models.Q(role="primary")),
            models.CheckConstraint(
                condition=~models.Q(role="merchant") | models.Q(merchant__isnull=False),
                name="merchant_user_has_merchant",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display()}"

    @property
    def merchant_ids(self) -> tuple[int, ...] | None:
        """The merchants that this user may see; None: all."""
        return (self.merchant_id, *self.further) if self.merchant_id else None


class AuditEntry(TenantModel):
    """One change of configuration or one access worth keeping: who, what, before, after."""

    class Via(models.TextChoices):
        WEB = "web", "Web"
        API = "api", "API"
        STAFF = "staff", "Staff"
        SYSTEM = "system", "System"

    at = models.DateTimeField(default=clock.now)
    actor = models.CharField(max_length=254)  # an e-mail address, "system", or an API key's prefix
    verb = models.CharField(max_length=40)
    target = models.CharField(max_length=120)  # what it was done to, in words
    changes = models.JSONField(default=dict)  # {field: [before, after]}, secrets left out
    via = models.CharField(max_length=6, choices=Via, default=Via.WEB)

    class Meta(TenantModel.Meta):
        indexes = [
            models.Index(fields=["account", "-at"], name="audit_by_time"),
            models.Index(fields=["account", "actor", "-at"], name="audit_by_actor"),
        ]


class Mail(models.Model):
    """One mail about a person and not about an account's business: sign-in, verification, invitation, notice.

    The row is written with what it is about and sent later (accounts/mail.py). What it says, links
    included, is encrypted, and blanked once it is sent, refused or too old.
    """

    key = models.CharField(max_length=12, unique=True, default=public_id, editable=False)  # its Message-ID
    kind = models.CharField(max_length=40)  # templates/mail/<kind>.html
    to = models.EmailField()
    context = EncryptedJSON()
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(null=True, blank=True)  # its link works no longer: not sent any more
    retry_at = models.DateTimeField(null=True, blank=True)  # null: nothing more to do
    tries = models.PositiveSmallIntegerField(default=0)  # also the token of who sends it
    lease_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True)  # the mail server's last word

    class Meta:
        indexes = [
            models.Index(fields=["retry_at"], condition=models.Q(retry_at__isnull=False), name="mail_due"),
            models.Index(fields=["created_at"], name="mail_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.to}"


class SignInLink(models.Model):
    """A one-time link that signs a person in (accounts/magic.py). Only the token's hash is kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    email = models.EmailField()  # works only while it is the user's
    token_hash = models.CharField(max_length=64, unique=True)
    next = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"link for {self.email}"


class Tries(models.Model):
    """How often somebody tried something lately (accounts/tries.py)."""

    key = models.CharField(max_length=64, primary_key=True)  # a hash: no addresses are kept
    number = models.PositiveIntegerField()
    until = models.DateTimeField(db_index=True)  # the number counts until then

    def __str__(self) -> str:
        return f"{self.number} until {self.until}"


class Invitation(TenantModel):
    """A place in an account that waits for the person it was offered to (accounts/invitations.py).

    Only the token's hash is kept. One waits for each address and account: a new one takes the old one's place.
    """

    merchant_field = "merchant_id"

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    email = models.EmailField()
    name = models.CharField(max_length=100, blank=True)  # as the inviter wrote it; the person may change it
    role = models.CharField(max_length=8, choices=Membership.Role)
    merchant = TenantKey("merchants.Merchant", models.CASCADE, null=True, blank=True, related_name="+")
    further = ArrayField(models.BigIntegerField(), default=list, blank=True)  # ids of more merchants
    invited_by = models.CharField(max_length=254)
    token_hash = models.CharField(max_length=64, unique=True)
    password = models.CharField(max_length=128, blank=True, default="", db_default="")  # hashed; handed over by them
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "email"], name="one_open_invitation", condition=models.Q(accepted_at__isnull=True)
            ),
            models.CheckConstraint(
                condition=~models.Q(role="merchant") | models.Q(merchant__isnull=False),
                name="invited_merchant_user_has_merchant",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email}, {self.get_role_display()}"
