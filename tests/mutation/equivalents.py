"""Mutants that no test can notice, because they decide the same as what they were made of; each with its reason."""

_ORDER_ONLY = "The ranks are compared with each other only, and their order is the same."
_NONE_AS_GOOD = "What stands in for a header that is absent fits as little as nothing does."
_FOR_TYPES = "Only a type checker reads it."
_NO_DIRECTION = "Both are compared in full, and equality has no direction."
_BY_DEFAULT = "The system's generator draws 32 bytes unless it is told another number."
_NEVER_READ = "It stands in until the key is wrapped, which replaces it."
_AS_FALSE = "It is only asked whether it is true, and nothing is as little true as False."
_DECLARED_BEFORE = "What is wrong with a declaration was told when the route's own were compiled, right before."

_TIME_ONLY = "It only saves time: each line is then looked at by itself."
_SAVES_TIME = "It only saves time: without it the same comes out."
_LOOKED_UP = "It only saves time: an escape that is not in the table is read by its digits, to the same byte."
_IN_CAPITALS = "The texts in lower case are looked for, and none of those stands in capitals."
_PIECES = "How long the pieces are in which a chunk is searched makes no difference to what is found."
_BY_THE_TEXTS = "It follows from the texts, which are compared."
_NEXT_TIME = (
    "A find that begins where it ends is then carried whole, and found again there next time, with the same mark."
)
_NOTHING_COVERED = "It is only read where something is covered; of the length 0, nothing is overwritten."
_PERIOD = "It is at least 1, and negative where nothing follows."
_BEHIND_A_RUN = (
    "What follows a run follows it by more than its period: by less, the text would have that for its period."
)
_SAME_NUMBER = "The quotient is the same for each of the three alignments."
_BEGINS_ANYWHERE = "The lowest bit is always set, as a text may begin anywhere."
_ANY_BREAK = "No secret goes on behind a line feed, whatever stands beside it."
_SOME_BOOLEAN = "The value is only judged to be a boolean: what goes up is the text."
_NO_NAME = "It is the name of a model that nobody is told."
_BY_THE_MODEL = "The model refuses a value of another type."

EQUIVALENT: dict[str, dict[str, str]] = {
    "rules.cors": {
        """top: b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz" -> """
        """b"XX!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzXX\"""": (
            "The names are put into lower case first, so that no X is ever looked for."
        ),
        "_referrer: b'' -> b'XXXX'": "No origin is written so: it is on no list, as nothing is.",
    },
    "rules.escapes": {
        "top: (int, tuple[int, int]) -> (tuple[int, int],)": _FOR_TYPES,
        "top: (int, tuple[int, int]) -> (int,)": _FOR_TYPES,
        "top: (int, int) -> (int,)": _FOR_TYPES,
        "top: (int, int) -> (int,) #2": _FOR_TYPES,
        "top: ' ' < text <= '~' -> ' ' <= text <= '~'": "HTML has no name for the space.",
        "top: ' ' < text <= '~' -> ' ' < text < '~'": "HTML has no name for the tilde.",
        "Reading.__bool__: 1 -> 2": "There is one piece, or three and more.",
        "read: b'xX' -> b'XXxXXX'": "It is asked for one byte, which is in the one as in the other.",
        "top: range(32, 128) -> range(32)": _LOOKED_UP,
        "top: range(32, 128) -> range(128, 32)": _LOOKED_UP,
        "top: 32 -> 33": _LOOKED_UP,
        "top: 32 -> 31": _LOOKED_UP,
        "top: 128 -> 129": _LOOKED_UP,
        "top: 128 -> 127": _LOOKED_UP,
        "top: (f'{byte:02x}', f'{byte:02X}') -> (f'{byte:02X}',)": _LOOKED_UP,
        "top: (f'{byte:02x}', f'{byte:02X}') -> (f'{byte:02x}',)": _LOOKED_UP,
        "top: (b'%', b'\\\\u00') -> (b'\\\\u00',)": _LOOKED_UP,
        "top: (b'%', b'\\\\u00') -> (b'%',)": _LOOKED_UP,
        "top: b'%' -> b'XX%XX'": _LOOKED_UP,
        "top: b'\\\\u00' -> b'XX\\\\u00XX'": _LOOKED_UP,
        "top: b'\\\\u00' -> b'u00'": _LOOKED_UP,
        "top: b'\\\\u00' -> b'\\\\u0'": _LOOKED_UP,
        "Reading.__init__: _BYTES.get(piece) or read(piece) -> read(piece)": _LOOKED_UP,
        "Reading.__init__: _BYTES.get(piece) -> _BYTES.get(None)": _LOOKED_UP,
        "pieces: for lead in _SPLITS if lead in buffer -> for lead in _SPLITS": _SAVES_TIME,
        "pieces: if not leads: -> if False:": _SAVES_TIME,
        "pieces: _SPLITS[leads[0]](buffer) if len(leads) == 1 else _SPLIT_ALL(buffer) -> _SPLIT_ALL(buffer)": (
            _SAVES_TIME
        ),
        "pieces: 1 -> 0": _SAVES_TIME,
        "pieces: 0 -> -1": "It is asked for where there is one.",
    },
    "rules.egress": {
        "Reach: 0 -> -1": _ORDER_ONLY,
        "Reach: 2 -> 3": _ORDER_ONLY,
    },
    "rules.signature": {
        "top: 0 -> -1": _ORDER_ONLY,
        "top: 2 -> 3": _ORDER_ONLY,
        "read: b'' -> b'XXXX'": _NONE_AS_GOOD,
        "require_mac: hmac.compare_digest(right, signature.mac) -> hmac.compare_digest(signature.mac, right)": (
            "Both have 32 bytes, and equality has no direction."
        ),
    },
    "rules.parameters": {
        "top: '-?(?:0|[1-9][0-9]{0,17})' -> '-?(?:0|[1-9][0-9]{0,18})'": "The model's bounds refuse a digit more.",
        "top: True -> False": _SOME_BOOLEAN,
        "top: False -> True": _SOME_BOOLEAN,
        "Declarations.__init__: 'Declarations' -> 'XXDeclarationsXX'": _NO_NAME,
        "Declarations.judge_texts: if not self.declared: -> if False:": "It only saves time: nothing fits none.",
        "require_sent: 'Default' -> 'XXDefaultXX'": _NO_NAME,
        "_declare: if parameter.pattern is not None: -> if True:": "That there is none compiles as well.",
        "_read: 0 -> -1": "`take` has let one text pass where there may be one.",
        "_convert: kind == 'integer' and _INTEGER.fullmatch(text) -> _INTEGER.fullmatch(text)": _BY_THE_MODEL,
        "_convert: kind == 'boolean' and text in _BOOLEAN -> text in _BOOLEAN": _BY_THE_MODEL,
        "_require_choice: 'list[object]' -> 'XXlist[object]XX'": _FOR_TYPES,
        "folded: if name.isascii(): -> if False:": "It only saves time: of ASCII both make the lower case.",
        "top: '[^\\\\x00-\\\\x7f]{1,256}' -> '[^\\\\x00-\\\\x7f]{2,256}'": _SAVES_TIME,
        "top: '[^\\\\x00-\\\\x7f]{1,256}' -> '[^\\\\x00-\\\\x7f]{0,256}'": _SAVES_TIME,
        "top: '[^\\\\x00-\\\\x7f]{1,256}' -> '[^\\\\x00-\\\\x7f]{1,257}'": _SAVES_TIME,
        "top: '[^\\\\x00-\\\\x7f]{1,256}' -> '[^\\\\x00-\\\\x7f]{1,255}'": _SAVES_TIME,
        "folded: if unicodedata.is_normalized('NFD', letters): -> if False:": _SAVES_TIME,
    },
    "rules.redaction": {
        "_scrubbed: if _is_clean(lines, needles): -> if False:": _TIME_ONLY,
        "scrub: len(body) <= PIECE and _is_clean(lines, needles, body) -> _is_clean(lines, needles, body)": _SAVES_TIME,
        "scrub: len(body) <= PIECE -> len(body) < PIECE": _SAVES_TIME,
        "_is_clean: b'' -> b'XXXX'": _ANY_BREAK,
        "_is_clean: b'\\n' -> b'XX\\nXX'": _ANY_BREAK,
        "_is_clean: b'\\n' -> b'XX\\nXX' #2": _ANY_BREAK,
    },
    "rules.routing": {
        "fill: require_sound_url(call.path, call.query) -> require_sound_url(call.query, call.path)": (
            "Both are judged alike, and their lengths are added."
        ),
    },
    "rules.sanitizers": {
        "_Rule._fits: 'list[object]' -> 'XXlist[object]XX'": _FOR_TYPES,
        "_Rule._matches: return False -> return None": _AS_FALSE,
        "_Rule._is_within: return False -> return None": _AS_FALSE,
        "_texts: 'dict[str, object]' -> 'XXdict[str, object]XX'": _FOR_TYPES,
        "_texts: 'list[object]' -> 'XXlist[object]XX'": _FOR_TYPES,
    },
    "rules.request_transforms": {
        "PairShaping.__init__: 'the transforms' -> 'XXthe transformsXX'": _DECLARED_BEFORE,
        "HeaderShaping.__init__: 'the transforms' -> 'XXthe transformsXX'": _DECLARED_BEFORE,
        "Shaping.shape: require_sound_url(call.path, query) -> require_sound_url(query, call.path)": (
            "Both are judged alike, and their lengths are added."
        ),
    },
    "rules.transform_steps": {
        "Site._require_value: Declarations([declared], owner) -> Declarations([declared], None)": _DECLARED_BEFORE,
    },
    "rules.fixed_forms": {
        "top: (int, int) -> (int,)": _FOR_TYPES,
        "top: (int, int) -> (int,) #2": _FOR_TYPES,
        "FixedForm.runs: 0 < period < len(self.text) -> 0 <= period < len(self.text)": _PERIOD,
        "FixedForm.runs: 0 -> -1 #2": _PERIOD,
        "FixedForm.runs: 1 -> 2 #2": _BEHIND_A_RUN,
        "_repeated: size > period -> size >= period": _BEHIND_A_RUN,
        "_base64: 6 -> 7": _SAME_NUMBER,
        "_base64: 64 -> 65 #2": _SAME_NUMBER,
    },
    "rules.mixed": {
        "MixedText.__init__: 256 -> 257": "There is no byte 256.",
        "MixedText._forward: 1 -> 2 #3": _BEGINS_ANYWHERE,
        "MixedText._forward: 0 -> 1 #2": _BEGINS_ANYWHERE,
        (
            "MixedText._forward: if not masks[buffer[at]] and self._text[0] not in buffer[at + 1:escape[0]]: -> "
            "if False:"
        ): _SAVES_TIME,
        "MixedText._forward: at + 1:escape[0] -> :escape[0]": _SAVES_TIME,
        "MixedText._forward: at + 1:escape[0] -> at + 1:": _SAVES_TIME,
        "MixedText._forward: 1 -> 0 #6": "The byte there is none of the text's, and so not its first.",
        "MixedText._prefix: lead > least and masks[buffer[lead - 1]] -> lead > least": _SAVES_TIME,
        "MixedText._back: while states or ahead: -> while True:": _SAVES_TIME,
    },
    "rules.parts": {
        "parts: at = 0 -> at = None": "A slice from None on begins at the first.",
        "parts: 0 -> -1 #4": "The part has but one way yet.",
        "_ends: 1 -> 0": "Nothing ends in nothing.",
    },
    "rules.said": {
        "top: 64 -> 65": "How many ways are too many makes no difference to what is found.",
        "top: 64 -> 63": "How many ways are too many makes no difference to what is found.",
        (
            "SaidText.__init__: max((part[-1].said for part in self._parts[::2]), key=len) -> min((part[-1].said for "
            "part in self._parts[::2]), key=len)"
        ): _SAVES_TIME,
        (
            "SaidText.__init__: max((part[-1].said for part in self._parts[::2]), key=len) -> max((part[-1].said for "
            "part in self._parts[::2]))"
        ): _SAVES_TIME,
        "SaidText.finds: if self._core not in reading.said: -> if False:": _SAVES_TIME,
        (
            "SaidText.finds: for way in part if held(way.before) and held(way.plain) and held(way.after) -> for way "
            "in part"
        ): _SAVES_TIME,
        (
            "SaidText.finds: held(way.before) and held(way.plain) and held(way.after) -> held(way.before) or "
            "held(way.plain) or held(way.after)"
        ): _SAVES_TIME,
        (
            "SaidText.finds: held(way.before) and held(way.plain) and held(way.after) -> held(way.plain) and "
            "held(way.after)"
        ): _SAVES_TIME,
        (
            "SaidText.finds: held(way.before) and held(way.plain) and held(way.after) -> held(way.before) and "
            "held(way.after)"
        ): _SAVES_TIME,
        (
            "SaidText.finds: held(way.before) and held(way.plain) and held(way.after) -> held(way.before) and "
            "held(way.plain)"
        ): _SAVES_TIME,
        "SaidText.finds: prod(map(len, ways)) > _MOST -> prod(map(len, ways)) >= _MOST": _SAVES_TIME,
        "SaidText.finds: if not all(plain): -> if True:": _SAVES_TIME,
        "SaidText.finds: _Whole(chosen, self._text if all(plain[1::2]) else b'') -> _Whole(chosen, None)": _SAVES_TIME,
        "SaidText.finds: self._text if all(plain[1::2]) else b'' -> b''": _SAVES_TIME,
        "SaidText.finds: 1::2 -> 1:": _SAVES_TIME,
        "SaidText.finds: 2 -> 1": _SAVES_TIME,
        "SaidText.finds: b'' -> b'XXXX'": _SAVES_TIME,
        "_is_plain: return way.before + way.plain + way.after == part[0].said -> return None": _SAVES_TIME,
        "_Whole.__init__: self._literal = literal -> self._literal = None": _SAVES_TIME,
        "_Whole._unmet: 0 -> 1": _SAVES_TIME,
        "_Whole._unmet: 0 -> -1 #3": _SAVES_TIME,
        (
            "_Whole._fits: if self._literal and buffer.startswith(self._literal, place(at) - len(self._before)): -> "
            "if False:"
        ): _SAVES_TIME,
        "_Whole._fits: return False -> return None": _AS_FALSE,
        "_Whole._fits: False -> True": "A plain search finds it as well.",
        "_Whole._fits: return False -> return None #2": _AS_FALSE,
    },
    "rules.scrubbing": {
        "top: 64 -> 65": _PIECES,
        "top: 64 -> 63": _PIECES,
        "top: 1024 -> 1025": _PIECES,
        "top: 1024 -> 1023": _PIECES,
        "top: (int, int, int) -> (int, int)": _FOR_TYPES,
        "top: (int, int, int) -> (int, int) #2": _FOR_TYPES,
        "top: (int, int, int) -> (int, int) #3": _FOR_TYPES,
        "Needles: field(init=False, repr=False, compare=False) -> field(init=False, repr=False)": _BY_THE_TEXTS,
        "Needles: False -> True #4": _BY_THE_TEXTS,
        "Needles: field(init=False, repr=False, compare=False) -> field(init=False, repr=False) #2": _BY_THE_TEXTS,
        "Needles: False -> True #7": _BY_THE_TEXTS,
        "Needles: field(init=False, repr=False, compare=False) -> field(init=False, repr=False) #3": _BY_THE_TEXTS,
        "Needles: False -> True #10": _BY_THE_TEXTS,
        "Needles.is_clean: b'' -> b'XXXX'": _IN_CAPITALS,
        "Needles.is_clean: return False -> return None": _AS_FALSE,
        (
            "Needles.is_clean: may_escape(value) and (reading := Reading(value)) and any((any(t.finds(reading)) for t "
            "in self._said)) -> (reading := Reading(value)) and any((any(t.finds(reading)) for t in self._said))"
        ): _SAVES_TIME,
        "Needles._stands_in: return False -> return None": _AS_FALSE,
        "Needles.finds: if self._stands_in(buffer): -> if True:": _SAVES_TIME,
        "Needles.finds: may_escape(buffer) and (reading := Reading(buffer)) -> (reading := Reading(buffer))": (
            _SAVES_TIME
        ),
        "Scrubber._release: self._covered = self._offset = 0 -> self._covered = self._offset = None": _NOTHING_COVERED,
        "Needles.scrub: if len(value) <= PIECE and self.is_clean(value): -> if False:": _SAVES_TIME,
        "Needles.scrub: len(value) <= PIECE and self.is_clean(value) -> self.is_clean(value)": _SAVES_TIME,
        "Needles.scrub: len(value) <= PIECE -> len(value) < PIECE": _SAVES_TIME,
        "Needles.scrub: len(value) <= PIECE -> len(value) > PIECE": _SAVES_TIME,
        "Scrubber.__init__: self._covered = self._offset = 0 -> self._covered = self._offset = None": _NOTHING_COVERED,
        "Scrubber._feed: -longest: -> :": _SAVES_TIME,
        (
            "Scrubber.flush: self._release(buffer, len(buffer)) if buffer else b'' -> self._release(buffer, "
            "len(buffer))"
        ): _SAVES_TIME,
        (
            "Scrubber._release: (0, self._covered, self._offset) if self._covered else None -> (0, "
            "self._covered, self._offset)"
        ): _NOTHING_COVERED,
        "Scrubber._release: find[0] < end -> find[0] <= end": _NEXT_TIME,
        "Scrubber._release: if not (finds or self._covered): -> if False:": _SAVES_TIME,
        "Scrubber._release: stop > end -> stop >= end": _NOTHING_COVERED,
    },
    "vault.cache": {
        "top: (TenantId, ProjectId | None, object) -> (ProjectId | None, object)": _FOR_TYPES,
        "top: (TenantId, ProjectId | None, object) -> (TenantId, object)": _FOR_TYPES,
        "top: (TenantId, ProjectId | None, object) -> (TenantId, ProjectId | None)": _FOR_TYPES,
        "top: 'V' -> 'XXVXX'": _FOR_TYPES,
    },
    "vault.derivation": {
        "metadata: json.dumps(facts, sort_keys=True, separators=(',', ':')) -> "
        "json.dumps(facts, separators=(',', ':'))": "They are written in the order of the alphabet as it is.",
        "metadata: True -> False": "They are written in the order of the alphabet as it is.",
    },
    "vault.contexts": {"of_tenant_secret: 1 -> 0": "The first secret bears no number, and neither would one of 0."},
    "vault.resealing": {
        "context_of: assert_never(record) -> pass": "There is no other kind.",
        "context_of: assert_never(record) -> assert_never(None)": "There is no other kind.",
        "Resealing: (str, str) -> (str,)": _FOR_TYPES,
        "Resealing: (str, str) -> (str,) #2": _FOR_TYPES,
        "Resealing.remarked: record.sealed or not isinstance(record, ProviderKey) or "
        "record.fingerprint not in self.marks -> not isinstance(record, ProviderKey) or "
        "record.fingerprint not in self.marks": ("What was sealed anew has a new mark, which is none of the old ones."),
        "_version_of: return '' -> return None": "Neither is a version.",
    },
    "vault.turn": {
        "rederive: equal(derived, kept) -> equal(kept, derived)": _NO_DIRECTION,
        "next_secret: random_bytes(KEY_BYTES) -> random_bytes(None)": _BY_DEFAULT,
    },
    "vault.open_needles": {
        "OpenNeedles.of: kept[1] is provider or kept[1] == provider -> kept[1] == provider": _SAVES_TIME,
        "OpenNeedles.of: 1 -> 2": _SAVES_TIME,
        "OpenNeedles.of: 1 -> 0": _SAVES_TIME,
    },
    "vault.opened_keys": {
        "OpenedKeys.new_tenant: random_bytes(KEY_BYTES) -> random_bytes(None)": _BY_DEFAULT,
        "OpenedKeys.new_tenant: random_bytes(KEY_BYTES) -> random_bytes(None) #2": _BY_DEFAULT,
        "OpenedKeys.new_project_key: random_bytes(KEY_BYTES) -> random_bytes(None)": _BY_DEFAULT,
        "OpenedKeys.new_project_key: random_bytes(SALT_BYTES) -> random_bytes(None)": _BY_DEFAULT,
        "OpenedKeys.new_project_key: b'' -> b'XXXX'": _NEVER_READ,
        "OpenedKeys.new_project_key: b'' -> b'XXXX' #2": _NEVER_READ,
        "OpenedKeys.new_project_key: b'' -> b'XXXX' #3": _NEVER_READ,
        "OpenedKeys.pseudonym_key: (tenant.id, None, (tenant.key_service, wrapped)) -> "
        "(tenant.id, (tenant.key_service, wrapped))": (
            "The wrapped key stands where a project would: it is none, so that only a dropping of all drops it."
        ),
        "OpenedKeys.pseudonym_key: held = self._keys.peek(label) -> held = None": _SAVES_TIME,
        "OpenedKeys.pseudonym_key: self._keys.peek(label) -> self._keys.peek(None)": _SAVES_TIME,
        "OpenedKeys.pseudonym_key: if held is not None: -> if False:": _SAVES_TIME,
    },
    "vault.wrapping": {
        "goes_round: random_bytes(KEY_BYTES) -> random_bytes(None)": _BY_DEFAULT,
        "goes_round: equal(await keys.unwrap(await keys.wrap(key, context), context), key) -> "
        "equal(key, await keys.unwrap(await keys.wrap(key, context), context))": _NO_DIRECTION,
        "unwrap_derived_key: equal(told, metadata(key)) -> equal(metadata(key), told)": _NO_DIRECTION,
    },
}
