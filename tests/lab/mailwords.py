"""Words for tests/lab/mailgen.py: people, subjects, folder names and paragraphs in several languages."""

# (path, special use).  The first ones are the big ones; the fourth stays empty. Cyrus takes none of
# ! " % ; < > \ ^ ` { | } in a name, so none of them is here.
FOLDERS = [
    (("INBOX",), ""),
    (("Sent",), "\\Sent"),
    (("Archive",), "\\Archive"),
    (("Später lesen",), ""),
    (("Projekte", "Räder & Speichen"), ""),
    (("Drafts",), "\\Drafts"),
    (("Trash",), "\\Trash"),
    (("Junk",), "\\Junk"),
    (("Projekte",), ""),
    (("Lists", "kernel-dev"), ""),
    (("Личное", "Семья"), ""),
    (("家族", "写真"), ""),
    (("Rechnungen", "2019"), ""),
    (("Rechnungen", "2020", "Finanzamt (Köln)"), ""),
    (("Lists", "imap-protocol"), ""),
    (("Ταξίδια",), ""),
    (("Projekte", "Façade étage 3"), ""),
    (("Lists",), ""),
    (("Rechnungen", "2021"), ""),
    (("Личное",), ""),
    (("Kunden", "Müller + Söhne"), ""),
    (("Kunden", "O'Neill & Co."), ""),
    (("Kunden", "Łódź"), ""),
    (("家族",), ""),
    (("Notes to self",), ""),
    (("Urlaub 🏖",), ""),
    (("a", "b", "c", "d", "e"), ""),
    (("Travel", "100 paid"), ""),
    (("Travel", "starred [old]"), ""),
    (("حسابات",), ""),
]

KEYWORDS = ["$Forwarded", "$Label1", "$Label2", "$Label3", "$Label4", "$Label5", "NonJunk", "$MDNSent", "Work", "$Important"]

PEOPLE = [
    ("Anna Bauer", "anna.bauer@example.de"), ("Jörg Müller", "joerg@example.de"),
    ("Siobhán O'Neill", "siobhan@example.ie"), ("Łukasz Wiśniewski", "lukasz@example.pl"),
    ("Мария Иванова", "maria@example.ru"), ("田中 花子", "hanako@example.jp"), ("李伟", "liwei@example.cn"),
    ("Νίκος Παπαδόπουλος", "nikos@example.gr"), ("Élodie Lefèvre", "elodie@example.fr"),
    ("Søren Kjærgaard", "soren@example.dk"), ("Ahmed Hassan", "ahmed@example.org"),
    ("Priya Raman", "priya@example.in"), ("John Smith", "john.smith@example.com"),
    ("Billing", "billing@shop.example"), ("Build server", "builds@ci.example"),
    ("Zoë van den Berg", "zoe@example.nl"), ("José Ramírez", "jose@example.es"), ("김민수", "minsu@example.kr"),
]

SUBJECTS = [
    "Lunch on Thursday?", "Your invoice # is ready", "Minutes of the weekly meeting", "Build # failed on main",
    "Photos from the weekend", "Rechnung Nr. # vom letzten Monat", "Angebot für Räder und Speichen",
    "Einladung zum Sommerfest am Rhein", "Kündigung Vertrag #", "Réunion de chantier, étage 3",
    "Facture n° # – deuxième rappel", "Отпуск в августе", "Счёт № #", "写真を送ります", "会議の議事録 #",
    "关于合同的修改意见", "Φωτογραφίες από το ταξίδι", "Zdjęcia z Łodzi", "Your parcel # is on its way",
    "[kernel-dev] [PATCH v3 #] mm: fix accounting", "[imap-protocol] UIDVALIDITY and friends", "Ticket # closed",
    "Reminder: dentist", "Tilbud på nye vinduer", "¿Quedamos el viernes?", "회의 일정 변경", "Fwd: Tickets for Saturday",
    "Password changed on your account", "Monthly report #", "Draft agenda", "Geburtstag 🎂 am Samstag",
    "A rather long subject that goes on for a while, as the ones do that were written by a committee about item #",
]

PARAGRAPHS = {
    "en": [
        "Thank you for coming on such short notice. The minutes are attached, and so is the list of open points; please look "
        "through it before Friday and tell me whether anything is missing or wrong.",
        "The parcel left the warehouse this morning and should arrive within three working days. If nobody is at home it will be "
        "left with a neighbour, and a card in the letter box will say with whom.",
        "I had a look at the patch. The first half is fine as it is. In the second half the lock is taken twice on the error path, "
        "which the tests do not notice because nothing there ever fails.",
        "We walked along the river until it got dark and then took the last train home. The pictures are not very good, but you can "
        "see the old bridge in one of them.",
    ],
    "de": [
        "Vielen Dank für Ihre Nachricht. Wir haben das Angebot geprüft und möchten die Räder in der größeren Ausführung bestellen; "
        "bitte schicken Sie uns die Auftragsbestätigung bis Ende der Woche.",
        "Am Samstag grillen wir im Garten, falls das Wetter hält. Bringt gern Salat oder Kuchen mit, für Getränke ist gesorgt. "
        "Übernachten könnt ihr im Gästezimmer.",
    ],
    "fr": [
        "La réunion de chantier aura lieu mardi à neuf heures, au troisième étage. Merci d'apporter les plans corrigés et le "
        "relevé des fenêtres déjà posées.",
        "Nous avons bien reçu votre règlement et vous en remercions. Vous trouverez ci-joint la facture acquittée.",
    ],
    "ru": [
        "Мы приедем в пятницу вечером, если поезд не опоздает. Пожалуйста, не готовьте ничего особенного, мы поужинаем в дороге.",
        "Договор подписан и отправлен почтой. Копию я прикладываю к этому письму, оригинал придёт на следующей неделе.",
    ],
    "ja": [
        "先日は お忙しい ところ ありがとう ございました。 写真を お送りします ので、 ご家族の 皆さまで ご覧ください。",
        "来週の 会議は 水曜日の 午後三時に 変更に なりました。 資料は 当日 配布します。",
    ],
    "el": [
        "Φτάσαμε καλά και ο καιρός είναι υπέροχος. Αύριο θα πάμε με το πλοίο στο νησί και θα γυρίσουμε την Κυριακή.",
    ],
}
