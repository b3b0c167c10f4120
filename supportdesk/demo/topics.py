"""What people write to the demo's desk about: openings, answers and notes that fit together.

`{name}`, `{product}`, `{order}` and `{amount}` are filled in by the story.
"""

from dataclasses import dataclass, field

PRODUCTS = (
    "Harbor espresso machine",
    "Trailhead 40 backpack",
    "Lumen desk lamp",
    "Northwind air purifier",
    "Pebble smart scale",
    "Cinder cast-iron pan",
    "Drift noise-cancelling headphones",
    "Fern plant sensor",
)


@dataclass(frozen=True, kw_only=True)
class Topic:
    category: str
    department: str
    subjects: tuple[str, ...]
    openings: tuple[str, ...]
    answers: tuple[str, ...]
    replies: tuple[str, ...]
    closings: tuple[str, ...] = (
        "Thank you, that settled it!",
        "Great, it works now. Thanks for the quick help.",
        "Perfect. You can close this one.",
        "👍 all good now, thank you!",
    )
    notes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    language: str = "en"
    weight: int = 3
    urgency: tuple[str, ...] = field(default=("normal", "normal", "low", "high"))


TOPICS = (
    Topic(
        category="billing",
        department="Billing",
        subjects=("Charged twice for order {order}", "Two payments of {amount} for one order", "Duplicate charge"),
        openings=(
            "Hi,\n\nmy statement shows two payments of {amount} for order {order}. I only placed it once. Can you check?",
            "I was charged {amount} twice within a minute for the {product}. Please return one of the two payments.",
            "Order {order} appears two times on my card. Is one of them a reservation that will disappear?",
        ),
        answers=(
            "Hello {name}, I can see both entries. The second is a retry by the payment provider; I have released it, and "
            "it leaves your account within three working days.",
            "Hi {name}, thanks for the details. One of the two was captured by mistake. The refund of {amount} is on its way.",
        ),
        replies=(
            "It has been four days and I still see both payments. Could you look again?",
            "Thanks! Will I get a confirmation once it has gone through?",
        ),
        notes=(
            "Provider confirms a double capture after a timeout on their side. Third case this week.",
            "Refund booked by hand, reference is in the ledger.",
        ),
        tags=("double-charge", "refund"),
        urgency=("high", "normal", "high"),
    ),
    Topic(
        category="refund",
        department="Billing",
        subjects=("Refund for the {product}", "Where is my refund?", "Returned {product}, no money yet"),
        openings=(
            "I sent the {product} back two weeks ago and the tracking says it arrived. When will the {amount} be refunded?",
            "Hello, I returned order {order} because the colour was wrong. The return was received on Monday. Any news?",
            "You promised the refund within ten days. It is day sixteen.",
        ),
        answers=(
            "Hi {name}, the warehouse has checked your return today and I have started the refund of {amount}.",
            "Hello {name}, I'm sorry for the wait. The return had lost its label; we found it, and the refund is booked.",
        ),
        replies=("My bank sees nothing so far. What is the reference?", "Thank you. How long does it usually take?"),
        notes=("Return was on the shelf without a label since the 12th.", "Goodwill voucher of 10 offered."),
        tags=("return", "refund"),
    ),
    Topic(
        category="shipping",
        department="Shipping",
        subjects=("Order {order} has not arrived", "Parcel stuck in transit", "Tracking has not moved for a week"),
        openings=(
            "The tracking of order {order} says 'in transit' since last Tuesday. Where is my {product}?",
            "Hi! My parcel was 'out for delivery' three days in a row and never came. I was at home the whole time.",
            "The carrier says the address is incomplete. It is the same one you delivered to in spring. Order {order}.",
        ),
        answers=(
            "Hello {name}, I have opened a search with the carrier. If they do not find it by Thursday we send a new one.",
            "Hi {name}, the parcel missed a scan at the depot and is moving again. Delivery is expected tomorrow.",
        ),
        replies=(
            "Tomorrow has come and gone. No parcel.",
            "Thanks, please make sure that they ring. The bell is on the left.",
            "I need it before the weekend, otherwise please cancel.",
        ),
        notes=(
            "Carrier depot has a backlog of four days.",
            "Second failed delivery at this address; asked for a safe place.",
        ),
        tags=("carrier", "delay"),
        weight=4,
        urgency=("normal", "normal", "high", "low", "urgent"),
    ),
    Topic(
        category="technical",
        department="Technical support",
        subjects=("{product} does not switch on", "{product} loses its connection", "App cannot find my {product}"),
        openings=(
            "My {product} worked for two months and since this morning it does not switch on. I tried another socket.",
            "The app finds the {product}, connects, and loses it again after about a minute. Phone is an Android 16.",
            "After the last update the {product} blinks red three times and stops. What does that mean?",
        ),
        answers=(
            "Hi {name}, please hold the power button for ten seconds with the plug out, then try once more. Does the light "
            "come on?",
            "Hello {name}, three red blinks mean that the update was interrupted. I have attached the steps to repeat it.",
            "Thanks {name}. That points to the power supply. I'm sending a new one today, no need to return the old one.",
        ),
        replies=(
            "Tried that, no change. The light stays off.",
            "It helped for an hour, then the same again.",
            "Before I forget: the serial number ends in 4471.",
        ),
        notes=(
            "Same batch as the recall candidates of May. @Yuki please have a look.",
            "Firmware 2.8.1 is known to lose the pairing after sleep.",
        ),
        tags=("firmware", "hardware"),
        weight=5,
        urgency=("normal", "high", "normal", "urgent"),
    ),
    Topic(
        category="product",
        department="Customer care",
        subjects=("Question about the {product}", "Is the {product} dishwasher safe?", "Which size of {product}?"),
        openings=(
            "Before I buy: does the {product} come with a European plug, and is there a spare part for the filter?",
            "Hello, can the {product} be used outdoors? The page does not say.",
            "I cannot decide between the two sizes of the {product}. There are three of us at home.",
        ),
        answers=(
            "Hi {name}, yes to both: the plug is included, and the spare part has its own page in the shop.",
            "Hello {name}, for three people the larger one is the better choice. It can be exchanged within 30 days.",
        ),
        replies=("Thanks! And how long is the guarantee?", "Do you ship to Norway?"),
        tags=("pre-sales",),
        urgency=("low", "normal", "low"),
    ),
    Topic(
        category="account",
        department="Customer care",
        subjects=("Cannot sign in", "Password mail does not arrive", "Please change my e-mail address"),
        openings=(
            "I asked for a new password four times and no mail arrives. It is not in the spam folder either.",
            "My old address no longer exists. Please move my account and my orders to the one I am writing from.",
            "It says that my account is locked. I did nothing but mistype twice.",
        ),
        answers=(
            "Hi {name}, your mail provider refused our messages until yesterday. I have sent the link again just now.",
            "Hello {name}, for your safety I need the number of your last order before I move the account.",
        ),
        replies=("It is {order}.", "Still nothing. Is there another way?"),
        notes=("Asked for the order number as proof; do not move before it fits.",),
        tags=("sign-in",),
    ),
    Topic(
        category="cancellation",
        department="Customer care",
        subjects=("Please cancel order {order}", "Cancel my subscription", "Wrong item ordered"),
        openings=(
            "I ordered the wrong {product} by mistake. Please cancel {order} before it ships.",
            "Please end my filter subscription after this month. I moved in with someone who has the same one :)",
        ),
        answers=(
            "Hello {name}, I caught it in time: order {order} is cancelled and the {amount} is on its way back.",
            "Hi {name}, done: the subscription ends with this month. You can start it again whenever you like.",
        ),
        replies=("Thank you. Can I use the voucher again?",),
        tags=("cancellation",),
        weight=2,
        urgency=("high", "normal"),
    ),
    Topic(
        category="order",
        department="Customer care",
        subjects=("Something is missing in order {order}", "Wrong item in the box", "Order {order}: change of address"),
        openings=(
            "The box held the lid but not the {product} itself. Order {order}. Photo follows if you need one.",
            "I received somebody else's order! The slip says {order}, which is mine, but the content is a child's bicycle.",
            "We move next week. Can {order} still go to the new address?",
        ),
        answers=(
            "Hi {name}, what a surprise that must have been. The right parcel leaves today, and a courier collects the other.",
            "Hello {name}, I have changed the address; you will see it in the next tracking mail.",
        ),
        replies=("When will the courier come? I work until five.", "Thanks. Here is the photo of the slip."),
        notes=("Packing error at line 3, reported to the warehouse.",),
        tags=("warehouse",),
    ),
    Topic(
        category="billing",
        department="Key accounts",
        subjects=(
            "Invoice for 40 units of {product}",
            "VAT number missing on the invoice",
            "Framework order for next year",
        ),
        openings=(
            "Good morning,\n\nour accounting needs the VAT number on the invoice for {order}. Please issue it again.",
            "We would like to order 40 more of the {product} on the terms of last year. Who can confirm the price?",
        ),
        answers=(
            "Good morning {name}, the corrected invoice is on its way to your accounting; I left the date unchanged.",
            "Hello {name}, I can confirm last year's terms until the end of the quarter. The offer follows today.",
        ),
        replies=("Thank you, I pass it on.", "Our purchasing department asks for delivery in two parts."),
        notes=("Contract renews in January. Keep them happy.",),
        tags=("vip", "invoice"),
        urgency=("high", "normal", "urgent"),
    ),
    Topic(
        category="technical",
        department="Technical support",
        language="de",
        subjects=("{product} geht nicht mehr an", "Verbindung bricht ständig ab"),
        openings=(
            "Guten Tag,\n\nmein {product} lässt sich seit gestern nicht mehr einschalten. Das Netzteil wird warm. Bestellung {order}.",
            "Hallo, die App verliert mein Gerät alle paar Minuten. Grüße aus Köln",
        ),
        answers=(
            "Guten Tag {name}, bitte benutzen Sie das Netzteil nicht weiter. Ein neues geht heute an Sie heraus.",
            "Hallo {name}, mit der Version von gestern ist der Fehler behoben. Klappt es damit?",
        ),
        replies=("Vielen Dank für die schnelle Antwort! Ich melde mich, sobald es da ist.", "Leider keine Änderung."),
        closings=("Jetzt läuft alles, herzlichen Dank!",),
        tags=("hardware",),
        weight=2,
    ),
    Topic(
        category="shipping",
        department="Shipping",
        language="fr",
        subjects=("Colis {order} jamais reçu", "Adresse de livraison erronée"),
        openings=(
            "Bonjour,\n\nle suivi indique « livré » mais je n'ai rien reçu. Le colis {order} contient un {product}.",
            "Bonjour, j'ai déménagé. Pouvez-vous changer l'adresse de la commande {order} ?",
        ),
        answers=(
            "Bonjour {name}, j'ai ouvert une enquête auprès du transporteur. Réponse sous trois jours ouvrés.",
            "Bonjour {name}, c'est fait, l'adresse est corrigée.",
        ),
        replies=("Merci. Le gardien n'a rien vu non plus.",),
        closings=("Parfait, merci beaucoup !",),
        tags=("carrier",),
        weight=2,
    ),
    Topic(
        category="refund",
        department="Billing",
        language="es",
        subjects=("Devolución del pedido {order}", "Reembolso pendiente"),
        openings=(
            "Hola, devolví el {product} hace diez días y todavía no he recibido los {amount}. ¿Me lo pueden mirar?",
        ),
        answers=("Hola {name}, ya está: el reembolso de {amount} sale hoy y tarda unos tres días en llegar.",),
        replies=("Gracias, quedo a la espera.",),
        closings=("¡Ya llegó! Muchas gracias.",),
        tags=("return", "refund"),
        weight=2,
    ),
    Topic(
        category="order",
        department="Customer care",
        language="ar",
        subjects=("الطلب {order} ناقص", "أين طلبي؟"),
        openings=("مرحبا، وصلني الطلب {order} بدون {product}. هل يمكنكم المساعدة من فضلكم؟ 🙏",),
        answers=("أهلا {name}، نعتذر عن الخطأ. سنرسل القطعة الناقصة اليوم.",),
        replies=("شكرا جزيلا، متى ستصل؟",),
        closings=("وصلت، شكرا لكم!",),
        tags=("warehouse",),
        weight=1,
    ),
    Topic(
        category="product",
        department="Technical support",
        language="ja",
        subjects=("{product}の使い方について", "保証期間の確認"),
        openings=("はじめまして。{product}の電源プラグは日本でも使えますか。注文番号は{order}です。",),
        answers=("{name}様、お問い合わせありがとうございます。はい、そのままお使いいただけます。",),
        replies=("ありがとうございます。保証は何年ですか。",),
        closings=("よくわかりました。ありがとうございました。",),
        tags=("pre-sales",),
        weight=1,
    ),
)
