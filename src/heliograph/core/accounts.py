"""Accounts and their settings (spec management 2.2 to 2.4; limits in spec sending 9)."""

from typing import Annotated, Literal

import msgspec

Meta = msgspec.Meta
MOSCOW = "Europe/Moscow"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an operator may set for an account. Every field carries its own help; zero means no limit."""

    name: Annotated[str, Meta(description="Full name or company")] = ""
    email: Annotated[str, Meta(description="Main e-mail address")] = ""
    sender: Annotated[str, Meta(description="Default sender name, used when a request names none")] = ""
    any_sender: Annotated[bool, Meta(description="Accept sender names that are not registered")] = False
    tz: Annotated[str, Meta(description="Time zone: Europe/Moscow, Asia/Almaty, or an offset such as +3")] = MOSCOW
    english: Annotated[bool, Meta(description="Names of statuses, countries and regions in English")] = False
    concurrency: Annotated[int, Meta(ge=1, description="This many requests at once are too many (error 9)")] = 15
    code_rate: Annotated[
        int, Meta(ge=0, description="Single texts a second that travel in the first lane; the rest in the second")
    ] = 50
    lane: Annotated[int, Meta(ge=1, le=3, description="Best lane of this account: 1 codes, 2 singles, 3 bulk")] = 1
    day_limit: Annotated[int, Meta(ge=0, description="Messages a day in all (error 247)")] = 0
    number_limit: Annotated[int, Meta(ge=0, description="Messages a day to one number (error 251)")] = 0
    text_limit: Annotated[int, Meta(ge=0, description="Messages a day with one text to one number (error 251)")] = 0
    ip_limit: Annotated[
        int, Meta(ge=0, description="Messages a day for one end user's address, userip (error 251)")
    ] = 0
    hours: Annotated[str, Meta(description="Hours when sending is allowed: 9-21; outside they wait")] = ""
    hours_refuse: Annotated[bool, Meta(description="Outside those hours refuse (error 246) instead of waiting")] = False
    hours_local: Annotated[bool, Meta(description="Count those hours in the subscriber's time zone")] = False
    prefixes: Annotated[str, Meta(description="Allowed number prefixes; a minus excludes: 7,-77 (error 250)")] = ""
    addresses: Annotated[str, Meta(description="Addresses or networks requests may come from, comma between")] = ""
    no_duplicates: Annotated[bool, Meta(description="Stop copies of a message of the last minute (status 23)")] = False
    no_mailings: Annotated[bool, Meta(description="Refuse requests to several recipients (error 6)")] = False
    test: Annotated[bool, Meta(description="Test mode: nothing is sent nor charged (err 200)")] = False
    blocked: Annotated[bool, Meta(description="Refuse every request of this account (error 2)")] = False
    callback_url: Annotated[
        str, Meta(description="Address that is told of final statuses, incoming texts and calls (docs/callbacks.md)")
    ] = ""
    callback_statuses: Annotated[bool, Meta(description="Tell that address of statuses")] = True
    callback_incoming: Annotated[bool, Meta(description="Tell that address of incoming texts and calls")] = True
    events_days: Annotated[
        int, Meta(ge=0, le=366, description="Days for which news can be fetched at /api/v1/events; 0: not at all")
    ] = 0
    short_links: Annotated[bool, Meta(description="Replace links in every text by short ones, as tinyurl=1 does")] = (
        False
    )
    track_links: Annotated[
        bool, Meta(description="Each recipient gets a short link of his own; a click moves his message to status 4")
    ] = False
    captcha: Annotated[
        bool, Meta(description="Every send by HTTP needs the code of a picture: imgcode and userip (docs/captcha.md)")
    ] = False
    smpp: Annotated[bool, Meta(description="Access over SMPP (docs/smpp.md); its addresses must be listed as well")] = (
        False
    )
    smpp_addresses: Annotated[
        str, Meta(description="Addresses or networks SMPP sessions may come from, comma between; none: nobody binds")
    ] = ""
    smpp_incoming: Annotated[
        bool, Meta(description="Incoming texts go to the SMPP sessions instead of the callback address")
    ] = False
    smpp_fields: Annotated[
        bool,
        Meta(
            description="SMPP receipts have the fields 0x2000 to 0x2002 (cost, flag, parts), as the SMSC service writes them; "
            "some clients stumble"
        ),
    ] = True
    smpp_incoming_ids: Annotated[
        bool,
        Meta(
            description="Incoming texts over SMPP have fields of ours: 0x2100 the text's id, 0x2101 that of the message it "
            "answers; some clients stumble"
        ),
    ] = False
    smpp_sessions: Annotated[int, Meta(ge=1, le=1000, description="SMPP sessions at once")] = 10
    smpp_window: Annotated[
        int,
        Meta(ge=1, le=100_000, description="Texts over SMPP that may wait for their answers, all sessions together"),
    ] = 2000
    smpp_rate: Annotated[int, Meta(ge=0, description="Texts a second over SMPP; more are throttled (0x58)")] = 0
    smpp_lowest_lane: Annotated[
        int, Meta(ge=1, le=3, description="Best lane of texts with priority_flag 0; most clients send 0 always")
    ] = 1
    smpp_incomplete: Annotated[
        Literal["refuse", "send"],
        Meta(description="Parts of a long text over SMPP whose others never came: refused, or sent as they are"),
    ] = "refuse"
    stop_list: Annotated[
        Literal["all", "mailings", "none"],
        Meta(description="What a subscriber's stop word stops: all, mailings, or none (docs/incoming.md)"),
    ] = "all"
    stop_words: Annotated[
        tuple[str, ...], Meta(description="Stop words of this account, beside those of the configuration")
    ] = ()
    start_words: Annotated[tuple[str, ...], Meta(description="Words that take it back, beside those")] = ()
    stop_reply: Annotated[str, Meta(description="Text that confirms a stop; empty: none")] = ""
    start_reply: Annotated[str, Meta(description="Text that confirms a start; empty: none")] = ""
    reply_limit: Annotated[
        int, Meta(ge=0, le=100, description="Automatic replies an hour to one subscriber (rules); 0: none")
    ] = 3
    forward_phones: Annotated[tuple[str, ...], Meta(description="Numbers that get every incoming text")] = ()
    forward_mails: Annotated[tuple[str, ...], Meta(description="E-mail addresses that get every incoming text")] = ()
    mail_to_sms: Annotated[
        bool, Meta(description="Letters to login@ a domain of this server go on as texts (docs/smtp.md)")
    ] = False
    mail_phones: Annotated[tuple[str, ...], Meta(description="Numbers that get such letters")] = ()
    mail_phones_in_body: Annotated[
        bool, Meta(description="The first line of a letter may name the numbers instead")
    ] = False
    mail_phones_in_address: Annotated[
        bool, Meta(description="Its address may name the numbers instead: 79161234567.login@")
    ] = False
    mail_from: Annotated[
        tuple[str, ...], Meta(description="Addresses and @domains whose letters go on; none: all. Easy to forge")
    ] = ()
    mail_hours: Annotated[str, Meta(description="Hours when letters go on: 9-21; outside they wait")] = ""
    mail_length: Annotated[int, Meta(ge=0, le=1000, description="Letters are cut to these characters; 0: 1000")] = 160
    mail_drop_subject: Annotated[bool, Meta(description="Leave the subject of letters out")] = False
    mail_drop_text: Annotated[bool, Meta(description="Leave the text of letters out")] = False
    mail_drop_from: Annotated[bool, Meta(description="Leave the address they come from out")] = False
    mail_translit: Annotated[bool, Meta(description="Transliterate letters")] = False
    command_phones: Annotated[
        tuple[str, ...],
        Meta(description="Numbers from which commands are taken by text: BAL, SEND, … (docs/sms-commands.md)"),
    ] = ()
    command_recipients: Annotated[tuple[str, ...], Meta(description="Numbers to which the command ALL writes")] = ()
    mailings_paused: Annotated[
        bool,
        Meta(description="Requests to several recipients are refused (error 6) for now; the commands STOP and START"),
    ] = False
    valid_minutes: Annotated[int, Meta(ge=0, description="Longest time to try to deliver, in minutes")] = 0
    keep_days: Annotated[
        int,
        Meta(ge=-1, description="Days that messages stay in the history; 0: for ever, -1: as store.keep_days says"),
    ] = -1


class Account(msgspec.Struct, frozen=True):
    """An account as the hot path knows it; its money is kept apart (services.purses), for it moves all the time."""

    id: int
    login: str
    currency: str
    credit: int
    tariff_id: int
    settings: Settings
