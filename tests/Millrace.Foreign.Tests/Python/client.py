"""A connection of stomp.py whose events are taken one by one, and lines of JSON for the tests."""

import json
import queue
import sys
import uuid

import stomp

PATIENCE = 60
VERSIONS = {"1.0": stomp.StompConnection10, "1.1": stomp.StompConnection11, "1.2": stomp.StompConnection12}


def say(**what):
    print(json.dumps(what), flush=True)


def hear():
    """Waits until the test says to go on."""
    sys.stdin.readline()


def describe(frame):
    """A message as the tests want it: bodies are bytes here, one character each there."""
    return {"headers": frame.headers, "body": frame.body.decode("latin-1")}


class Refused(Exception):
    """The broker sent an ERROR."""

    def __init__(self, frame):
        super().__init__(f"{frame.headers}: {frame.body}")
        self.frame = frame


class Client(stomp.ConnectionListener):
    def __init__(self, version, port, host="127.0.0.1", heartbeats=(0, 0), trusted=None):
        self.version = version
        self.receipts = queue.Queue()
        self.messages = queue.Queue()
        self.beats = queue.Queue()
        self.gone = queue.Queue()
        self.connected_headers = None
        options = {"auto_decode": False, "try_loopback_connect": False, "reconnect_attempts_max": 1}
        if version != "1.0":
            options["heartbeats"] = heartbeats
        self.stomp = VERSIONS[version]([(host, int(port))], **options)
        if trusted is not None:
            self.stomp.set_ssl(for_hosts=[(host, int(port))], ca_certs=trusted)
        self.stomp.set_listener("test", self)

    def on_connected(self, frame):
        self.connected_headers = frame.headers

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_heartbeat(self):
        self.beats.put(True)

    def on_error(self, frame):
        # Whoever waits for anything is told.
        self.receipts.put(frame)
        self.messages.put(frame)

    def on_disconnected(self):
        self.gone.put(True)

    def connect(self, login=None, passcode=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.stomp.connect(login, passcode, wait=True, headers=named)
        return self

    def receipt(self, expected):
        came = self.receipts.get(timeout=PATIENCE)
        if not isinstance(came, str):
            raise Refused(came)
        if came != expected:
            raise AssertionError(f"receipt {came} came where {expected} was due")

    def send(self, destination, body, content_type=None, **headers):
        """Sends, and waits until the broker has it safely."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["receipt"] = uuid.uuid4().hex
        self.stomp.send(destination, body, content_type, headers=dict(named))
        self.receipt(named["receipt"])

    def subscribe(self, destination, id="1", ack="auto", **headers):
        """Subscribes, and waits until messages may come."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["receipt"] = uuid.uuid4().hex
        self.stomp.subscribe(destination, id, ack, headers=dict(named))
        self.receipt(named["receipt"])

    def unsubscribe(self, id="1", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["receipt"] = uuid.uuid4().hex
        self.stomp.unsubscribe(id=id, headers=dict(named))
        self.receipt(named["receipt"])

    def message(self):
        came = self.messages.get(timeout=PATIENCE)
        if came.cmd == "ERROR":
            raise Refused(came)
        return came

    def messages_until(self, body):
        """The messages before one with this body."""
        came = []
        while (frame := self.message()).body != body:
            came.append(frame)
        return came

    def ack(self, frame, transaction=None):
        """Acknowledges as the version has it, and waits for the receipt unless that comes with a transaction."""
        self._settle(self.stomp.ack, frame, transaction)

    def nack(self, frame, transaction=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._settle(self.stomp.nack, frame, transaction, **named)

    def _settle(self, settle, frame, transaction, **headers):
        receipt = None if transaction else uuid.uuid4().hex
        names = {
            "1.0": lambda: (frame.headers["message-id"],),
            "1.1": lambda: (frame.headers["message-id"], frame.headers["subscription"]),
            "1.2": lambda: (frame.headers["ack"],),
        }[self.version]()
        settle(*names, transaction=transaction, receipt=receipt, **headers)
        if receipt:
            self.receipt(receipt)

    def commit(self, transaction):
        receipt = uuid.uuid4().hex
        self.stomp.commit(transaction, receipt=receipt)
        self.receipt(receipt)

    def abort(self, transaction):
        receipt = uuid.uuid4().hex
        self.stomp.abort(transaction, receipt=receipt)
        self.receipt(receipt)

    def cut(self):
        """Closes the socket without a word."""
        self.stomp.transport.disconnect_socket()

    def disconnect(self):
        """DISCONNECT, its receipt, and the end of the connection."""
        self.stomp.disconnect(receipt="bye")
        self.receipt("bye")
