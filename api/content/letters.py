"""The mails of a published project, one for each subscriber: HTML with its pictures, and plain."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import make_msgid

from api.content import layout
from api.content.dealer import Dealer
from api.content.renderings import MAX_MAIL_PICTURES, Renderings
from api.content.sending import Written
from api.services import Services
from api.store.content import ContentProject, Subscriber
from api.store.documents import Dealership


class Letters:
    def __init__(self, services: Services, renderings: Renderings) -> None:
        self._services = services
        self._renderings = renderings

    async def begin(self, project: ContentProject, dealership: Dealership) -> Written:
        """Whoever writes the mails of `project`: its pictures are fitted once for all of them."""
        dealer = Dealer.of(dealership)
        pictures = (await self._renderings.pictures(project))[:MAX_MAIL_PICTURES]
        names = [make_msgid(domain="forecourt.invalid") for _ in pictures]

        def written(subscriber: Subscriber, link: str) -> EmailMessage:
            message = EmailMessage()
            message["Subject"] = layout.subject_of(project)
            message["From"] = Address(dealership.name, addr_spec=self._services.mail.sender)
            message["To"] = Address(subscriber.name, addr_spec=subscriber.email)
            message["List-Unsubscribe"] = f"<{link}>"
            # One click without a page between (RFC 8058).
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            message.set_content(layout.plain_mail(project, dealer, link))
            sources = [f"cid:{name[1:-1]}" for name in names]
            html = layout.page(project, dealer, sources, link)
            message.add_alternative(html, subtype="html")
            _, shown = message.iter_parts()
            assert isinstance(shown, EmailMessage)
            for picture, name in zip(pictures, names, strict=True):
                shown.add_related(picture, "image", "jpeg", cid=name)
            return message

        return written
