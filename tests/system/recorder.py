"""A recorder that speaks ONVIF Profile G over SOAP: real digests checked, real searches, and habits that a test chooses."""
import base64
import datetime
import hashlib
import http.server
import re
import threading
import time
import xml.etree.ElementTree as xml

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope", "tds": "http://www.onvif.org/ver10/device/wsdl",
    "tse": "http://www.onvif.org/ver10/search/wsdl", "tt": "http://www.onvif.org/ver10/schema",
    "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
}
SEARCHES_MAX = 4


def text_of(t):
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


class Recorder:
    """`recordings`: token → list of (from, until), aware datetimes.  `clock`: how far its clock is ahead."""

    def __init__(self, recordings, user="admin", password="geheim", clock=datetime.timedelta(0), silent=False, http_digest=False, port=0):
        self.recordings, self.user, self.password, self.clock = recordings, user, password, clock
        self.silent, self.http_digest = silent, http_digest
        self.nonces, self.searches, self.asked, self.refused = set(), {}, [], 0
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                recorder.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/onvif/device_service"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + self.clock

    def signed(self, envelope):
        """WS-UsernameToken: a fresh nonce, a time within five minutes of our clock, the right digest."""
        token = envelope.find(".//wsse:UsernameToken", NS)
        if token is None or token.findtext("wsse:Username", "", NS) != self.user:
            return False
        nonce, created = token.findtext("wsse:Nonce", "", NS), token.findtext("wsu:Created", "", NS)
        at = datetime.datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        digest = hashlib.sha1(base64.b64decode(nonce) + created.encode() + self.password.encode()).digest()
        fresh = nonce not in self.nonces and abs((at - self.now()).total_seconds()) < 300
        self.nonces.add(nonce)
        return fresh and base64.b64encode(digest).decode() == token.findtext("wsse:Password", "", NS)

    def digest_good(self, handler):
        given = handler.headers.get("Authorization", "")
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', given))
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
        if not given.startswith("Digest ") or fields.get("nonce") != "0815":
            return False
        one, two = md5(f"{self.user}:recorder:{self.password}"), md5(f"POST:{fields['uri']}")
        return md5(f"{one}:0815:{fields['nc']}:{fields['cnonce']}:auth:{two}") == fields["response"]

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if self.silent:
            time.sleep(60)
            return
        if self.http_digest and not self.digest_good(handler):
            self.send(handler, 401, "", [("WWW-Authenticate", 'Digest realm="recorder", nonce="0815", qop="auth"')])
            return
        envelope = xml.fromstring(body)
        question = envelope.find("s:Body", NS)[0]
        name = question.tag.rpartition("}")[2]
        self.asked.append(name)
        if name != "GetSystemDateAndTime" and not self.http_digest and not self.signed(envelope):
            self.refused += 1
            self.send(handler, 400, self.fault("NotAuthorized"))
            return
        said = getattr(self, name, lambda q: None)(question)
        self.send(handler, 200 if said else 500, said or self.fault("ActionNotSupported"))

    def send(self, handler, status, body, headers=()):
        names = " ".join(f'xmlns:{p}="{u}"' for p, u in NS.items())
        data = f'<?xml version="1.0"?><s:Envelope {names}><s:Body>{body}</s:Body></s:Envelope>'.encode() if body else b""
        handler.send_response(status)
        for header in headers:
            handler.send_header(*header)
        handler.send_header("Content-Type", "application/soap+xml")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def fault(self, code):
        return f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{code}</s:Value></s:Subcode></s:Code></s:Fault>"

    def GetSystemDateAndTime(self, _):
        t = self.now()
        return (f"<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime><tt:Time><tt:Hour>{t.hour}</tt:Hour><tt:Minute>"
                f"{t.minute}</tt:Minute><tt:Second>{t.second}</tt:Second></tt:Time><tt:Date><tt:Year>{t.year}</tt:Year><tt:Month>{t.month}"
                f"</tt:Month><tt:Day>{t.day}</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>")

    def GetServices(self, _):
        # An inner address, as recorders behind NAT name it.
        return (f"<tds:GetServicesResponse><tds:Service><tds:Namespace>{NS['tse']}</tds:Namespace>"
                "<tds:XAddr>http://192.168.1.64/onvif/search_service</tds:XAddr></tds:Service></tds:GetServicesResponse>")

    def search(self, results):
        if len(self.searches) == SEARCHES_MAX:
            return None
        token = f"s{len(self.asked)}"
        self.searches[token] = results
        return token

    def FindRecordings(self, _):
        results = []
        for name, spans in self.recordings.items():
            extent = "" if not spans else (f"<tt:DataFrom>{text_of(spans[0][0] + self.clock)}</tt:DataFrom>"
                                           f"<tt:DataTo>{text_of(spans[-1][1] + self.clock)}</tt:DataTo>")
            results.append(f"<tt:RecordingInformation><tt:RecordingToken>{name}</tt:RecordingToken><tt:Source><tt:SourceId>{name}</tt:SourceId>"
                           f"</tt:Source><tt:Track><tt:TrackType>Video</tt:TrackType>{extent}</tt:Track>"
                           "<tt:RecordingStatus>Stopped</tt:RecordingStatus></tt:RecordingInformation>")
        token = self.search(results)
        return token and f"<tse:FindRecordingsResponse><tse:SearchToken>{token}</tse:SearchToken></tse:FindRecordingsResponse>"

    def FindEvents(self, question):
        name, results = question.findtext(".//tt:IncludedRecordings", "", NS), []
        start = datetime.datetime.strptime(question.findtext("tse:StartPoint", "", NS), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        spans = [(begun + self.clock, ceased + self.clock) for begun, ceased in self.recordings.get(name, [])]
        changes = [(start, any(begun <= start < ceased for begun, ceased in spans), True)]
        changes += [(at, present, False) for span in spans for at, present in zip(span, (True, False)) if at > start]
        for at, present, begin in changes:
            results.append(f"<tt:Result><tt:RecordingToken>{name}</tt:RecordingToken><tt:TrackToken>v</tt:TrackToken><tt:Time>"
                           f"{text_of(at)}</tt:Time><tt:Event><wsnt:Message><tt:Message><tt:Data><tt:SimpleItem "
                           f'Name="IsDataPresent" Value="{str(present).lower()}"/></tt:Data></tt:Message></wsnt:Message></tt:Event>'
                           f"<tt:StartStateEvent>{str(begin).lower()}</tt:StartStateEvent></tt:Result>")
        token = self.search(results)
        return token and f"<tse:FindEventsResponse><tse:SearchToken>{token}</tse:SearchToken></tse:FindEventsResponse>"

    def results(self, question, name):
        left = self.searches.get(question.findtext("tse:SearchToken", "", NS))
        if left is None:
            return None
        count = int(question.findtext("tse:MaxResults", "1", NS))
        part = [left.pop(0) for _ in range(min(count, len(left)))]
        state = "Searching" if left else "Completed"
        return f"<tse:{name}><tse:ResultList><tt:SearchState>{state}</tt:SearchState>{''.join(part)}</tse:ResultList></tse:{name}>"

    def GetRecordingSearchResults(self, question):
        return self.results(question, "GetRecordingSearchResultsResponse")

    def GetEventSearchResults(self, question):
        return self.results(question, "GetEventSearchResultsResponse")

    def EndSearch(self, question):
        self.searches.pop(question.findtext("tse:SearchToken", "", NS), None)
        return f"<tse:EndSearchResponse><tse:Endpoint>{text_of(self.now())}</tse:Endpoint></tse:EndSearchResponse>"
