using System.Text;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>
/// The kinds of frames that the specifications show, and the border cases of this codec, each with what it means. The DISCONNECT of 1.1 and 1.2 is shown there without its blank
/// line, and the CONNECT of 1.0 with blanks in it; here they follow the grammars.
/// </summary>
internal static class ExampleFrames
{
    public static readonly (StompVersion Version, string Text, ReadFrame Meaning)[] All =
    [
        (StompVersion.None, "CONNECT\nlogin: user\npasscode:pass:word\n\n^@", Frame(StompCommand.Connect, "", ("login", "user"), ("passcode", "pass:word"))),
        (StompVersion.None, "CONNECT\r\naccept-version:1.0,1.1,2.0\r\nhost:stomp.github.org\r\n\r\n^@",
            Frame(StompCommand.Connect, "", ("accept-version", "1.0,1.1,2.0"), ("host", "stomp.github.org"))),
        (StompVersion.None, "STOMP\naccept-version:1.2\nhost:a\\cb\nheart-beat:0,10000\n\n^@\n",
            Frame(StompCommand.Stomp, "", ("accept-version", "1.2"), ("host", "a:b"), ("heart-beat", "0,10000"))),
        (StompVersion.V10, "CONNECTED\nsession: 17\n\n^@", Frame(StompCommand.Connected, "", ("session", "17"))),
        (StompVersion.V10, "SEND\ndestination:/queue/a\n\nhello queue a\n^@", Frame(StompCommand.Send, "hello queue a\n", ("destination", "/queue/a"))),
        (StompVersion.V10, "SEND\r\ndestination: /queue/a:b\\n\r\n\r\nhello\r\n^@\r\n", Frame(StompCommand.Send, "hello\r\n", ("destination", "/queue/a:b\\n"))),
        (StompVersion.V10, "SUBSCRIBE\ndestination: /queue/foo\nack: client\n\n^@", Frame(StompCommand.Subscribe, "", ("destination", "/queue/foo"), ("ack", "client"))),
        (StompVersion.V10, "UNSUBSCRIBE\ndestination: /queue/a\n\nignored^@", Frame(StompCommand.Unsubscribe, "ignored", ("destination", "/queue/a"))),
        (StompVersion.V10, "ACK\nmessage-id: 7\ntransaction: t\n\n^@", Frame(StompCommand.Ack, "", ("message-id", "7"), ("transaction", "t"))),
        (StompVersion.V10, "DISCONNECT\n\n^@", Frame(StompCommand.Disconnect, "")),
        (StompVersion.V11, "SEND\ndestination:/queue/a\nreceipt:message-12345\n\nhello queue a^@",
            Frame(StompCommand.Send, "hello queue a", ("destination", "/queue/a"), ("receipt", "message-12345"))),
        (StompVersion.V11, "SEND\nkey: a\\cb\\n\\\\ \r\n\r\n\r\n^@", Frame(StompCommand.Send, "\r\n", ("key", " a:b\n\\ \r"))),
        (StompVersion.V11, "ACK\nsubscription:0\nmessage-id:007\ntransaction:tx1\n\n^@",
            Frame(StompCommand.Ack, "", ("subscription", "0"), ("message-id", "007"), ("transaction", "tx1"))),
        (StompVersion.V12, "SEND\ndestination:/queue/a\ncontent-type:text/plain\n\nhello queue a\n^@",
            Frame(StompCommand.Send, "hello queue a\n", ("destination", "/queue/a"), ("content-type", "text/plain"))),
        (StompVersion.V12, "SEND\ncontent-length:9\n\n\0a\0\n\n\0\r\n\0\0\n\n", Frame(StompCommand.Send, "\0a\0\n\n\0\r\n\0", ("content-length", "9"))),
        (StompVersion.V12, "SUBSCRIBE\nid:0\ndestination:/queue/foo\nack:client\n\n^@",
            Frame(StompCommand.Subscribe, "", ("id", "0"), ("destination", "/queue/foo"), ("ack", "client"))),
        (StompVersion.V12, "UNSUBSCRIBE\nid:0\n\n^@", Frame(StompCommand.Unsubscribe, "", ("id", "0"))),
        (StompVersion.V12, "ACK\r\nid:12345\r\ntransaction:tx1\r\n\r\n^@\r\n\r\n", Frame(StompCommand.Ack, "", ("id", "12345"), ("transaction", "tx1"))),
        (StompVersion.V12, "NACK\nid:1\\r\\n\\c\\\\\n\n^@", Frame(StompCommand.Nack, "", ("id", "1\r\n:\\"))),
        (StompVersion.V12, "BEGIN\ntransaction:tx1\n\n^@", Frame(StompCommand.Begin, "", ("transaction", "tx1"))),
        (StompVersion.V12, "COMMIT\ntransaction:tx1\ncontent-length:0\n\n^@", Frame(StompCommand.Commit, "", ("transaction", "tx1"), ("content-length", "0"))),
        (StompVersion.V12, "ABORT\ntransaction:tx1\n\n^@", Frame(StompCommand.Abort, "", ("transaction", "tx1"))),
        (StompVersion.V12, "DISCONNECT\nreceipt:77\n\n^@", Frame(StompCommand.Disconnect, "", ("receipt", "77"))),
        (StompVersion.V12, "RECEIPT\nreceipt-id:77\n\n^@", Frame(StompCommand.Receipt, "", ("receipt-id", "77"))),
        (StompVersion.V12, "MESSAGE\nfoo:World\nfoo:Hello\n\n^@", Frame(StompCommand.Message, "", ("foo", "World"), ("foo", "Hello"))),
        (StompVersion.V12, "MESSAGE\nsubscription:0\nmessage-id:007\ndestination:/queue/a\ncontent-type:text/plain\n\nhello queue a^@",
            Frame(StompCommand.Message, "hello queue a", ("subscription", "0"), ("message-id", "007"), ("destination", "/queue/a"), ("content-type", "text/plain"))),
        (StompVersion.V12, "ERROR\nreceipt-id:m\ncontent-type:text/plain\ncontent-length:20\nmessage:malformed frame\n\nThe message:\n-----\n!^@",
            Frame(StompCommand.Error, "The message:\n-----\n!", ("receipt-id", "m"), ("content-type", "text/plain"), ("content-length", "20"), ("message", "malformed frame"))),
    ];

    private static ReadFrame Frame(StompCommand command, string body, params (string Name, string Value)[] headers) => new(command, headers, Encoding.UTF8.GetBytes(body));
}
