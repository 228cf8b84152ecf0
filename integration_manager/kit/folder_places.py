"""Where files may be: the fields for getting into each kind of place, of which a form shows those that apply."""

from integration_manager.kit.connector import Connector, Field

SERVERS = ("sftp", "ftps", "ftps_implicit", "ftp", "ftp_active")
FILES = (*SERVERS, "disk")
ELSEWHERE = (*FILES, "email")  # not in our own database


class FolderPlaces(Connector):
    """The choice of the place, and the fields of servers."""

    place = Field(
        "The files are on",
        kind="choice",
        choices=(
            ("sftp", "an SFTP server"),
            ("ftps", "an FTP server with encryption (FTPS)"),
            ("ftps_implicit", "an FTP server with encryption from the first byte on (FTPS, implicit)"),
            ("ftp", "an FTP server, passive, NOT ENCRYPTED"),
            ("ftp_active", "an FTP server, active, NOT ENCRYPTED"),
            ("email", "e-mail, as attachments"),
            ("browser", "our pages: uploaded and downloaded by people"),
            ("disk", "a folder of this server (set up by its operator)"),
        ),
        default="sftp",
        help="By plain FTP the password and all files travel unencrypted: whoever is on the way can read and change"
        " them. Choose SFTP or FTPS where you can.",
    )
    host = Field("Server", kind="host", when=("place", SERVERS), example="sftp.example.com")
    port = Field(
        "Port",
        kind="int",
        required=False,
        when=("place", SERVERS),
        help="Empty: 22 for SFTP, 21 for FTP and FTPS, 990 for implicit FTPS.",
    )
    user = Field("User name", when=("place", SERVERS))
    password = Field(
        "Password",
        secret=True,
        required=False,
        when=("place", SERVERS),
        help="With SFTP and a private key: its passphrase.",
    )
    private_key = Field(
        "Private key",
        kind="textarea",
        secret=True,
        required=False,
        when=("place", ("sftp",)),
        help="Instead of a password: the whole text of an OpenSSH or PEM key.",
    )
    host_key = Field(
        "Host key",
        required=False,
        when=("place", ("sftp",)),
        help="Leave it empty at first: the connection test then shows the server's key. Compare it with the one"
        " that its operator names, and enter it here. Nothing secret is sent before.",
        example="ssh-ed25519 SHA256:…",
    )
    certificate = Field(
        "Certificate",
        required=False,
        when=("place", ("ftps", "ftps_implicit")),
        help="Leave it empty. Only for a server with a certificate that it made itself: the connection test then"
        " shows its fingerprint. Compare it with the one that the operator names, and enter it here.",
        example="SHA256 AB:CD:…",
    )


class MailPlace(FolderPlaces):
    """The fields of e-mail: files that go out by SMTP, and come in by IMAP."""

    mail_to = Field(
        "Recipients",
        required=False,
        when=("place", ("email",)),
        help="Every file that we write goes to these addresses, one mail a file. Separate them by commas.",
        example="orders@warehouse.example, office@warehouse.example",
    )
    mail_subject = Field(
        "Subject",
        default="{kind} {file}",
        when=("place", ("email",)),
        help="{kind} is orders, confirmations or inventory, {file} the file's name, {merchant} the merchant's,"
        " {date} the day.",
    )
    mail_by = Field(
        "Mails are sent by",
        kind="choice",
        choices=(("installation", "the mail server of this installation"), ("own", "a mail server of your own (SMTP)")),
        default="installation",
        when=("place", ("email",)),
    )
    smtp_host = Field("SMTP server", kind="host", when=("mail_by", ("own",)), example="smtp.example.com")
    smtp_security = Field(
        "SMTP encryption",
        kind="choice",
        choices=(("starttls", "STARTTLS, port 587"), ("tls", "TLS from the first byte on, port 465")),
        default="starttls",
        when=("mail_by", ("own",)),
    )
    smtp_port = Field("SMTP port", kind="int", required=False, when=("mail_by", ("own",)), help="Empty: the usual one.")
    smtp_user = Field("SMTP user name", required=False, when=("mail_by", ("own",)))
    smtp_password = Field("SMTP password", secret=True, required=False, when=("mail_by", ("own",)))
    smtp_from = Field("Sender's address", when=("mail_by", ("own",)), example="orders@shop.example")
    smtp_certificate = Field(
        "SMTP certificate",
        required=False,
        when=("mail_by", ("own",)),
        help="Only for a server with a certificate that it made itself: its SHA-256 fingerprint.",
    )
    imap_host = Field(
        "IMAP server",
        kind="host",
        required=False,
        when=("place", ("email",)),
        help="The mailbox that files come to. Use one of its own for each connection. Empty: no files come in.",
        example="imap.example.com",
    )
    imap_security = Field(
        "IMAP encryption",
        kind="choice",
        choices=(("tls", "TLS from the first byte on, port 993"), ("starttls", "STARTTLS, port 143")),
        default="tls",
        when=("place", ("email",)),
    )
    imap_port = Field("IMAP port", kind="int", required=False, when=("place", ("email",)), help="Empty: the usual one.")
    imap_user = Field("IMAP user name", required=False, when=("place", ("email",)))
    imap_password = Field("IMAP password", secret=True, required=False, when=("place", ("email",)))
    imap_certificate = Field(
        "IMAP certificate",
        required=False,
        when=("place", ("email",)),
        help="Only for a server with a certificate that it made itself: its SHA-256 fingerprint.",
    )
    mail_folder = Field("Mail folder", default="INBOX", when=("place", ("email",)))
    mail_senders = Field(
        "Allowed senders",
        required=False,
        when=("place", ("email",)),
        help="Addresses, or @example.com for all of a domain, separated by commas. Mails of others are left alone."
        " A sender's address can be forged: choose a mailbox whose provider turns forged mails away.",
        example="export@shop.example, @warehouse.example",
    )
    mail_after = Field(
        "Mails that were read",
        kind="choice",
        choices=(
            ("archive", "move to the mail folder for files that were read"),
            ("mark", "leave where they are, marked as read by us"),
            ("delete", "delete"),
        ),
        default="archive",
        option=True,
        when=("place", ("email",)),
    )
