using System.Numerics;
using System.Text;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>Reads a whole stream byte by byte, as the grammars of the specifications say; slow and plain. What STOMP leaves open is decided as the remarks of <see cref="StompParser"/> tell.</summary>
internal sealed class ReferenceParser(byte[] bytes, StompVersion version, StompOptions options)
{
    private const int LongestCommandLine = 13;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static readonly Dictionary<string, StompCommand> Commands =
        Enum.GetValues<StompCommand>().Where(command => command != StompCommand.Unknown).ToDictionary(command => command.ToString().ToUpperInvariant());

    // Each byte is a character here.
    private readonly List<(string Name, string Value)> _headers = [];
    private StompVersion _version = version;
    private StompCommand _command;
    private bool _trims;
    private int _at;

    public static Reading Read(byte[] bytes, StompVersion version, StompOptions options) => new ReferenceParser(bytes, version, options).ReadAll();

    private Reading ReadAll()
    {
        var frames = new List<ReadFrame>();
        try
        {
            while (true)
            {
                frames.Add(ReadFrame());
                if (_version == StompVersion.None)
                {
                    _version = Negotiate(frames[^1]["accept-version"]);
                }
            }
        }
        catch (EndException)
        {
            return new Reading(frames, ParseStatus.Incomplete);
        }
        catch (WrongException wrong)
        {
            var receipt = First("receipt") is { } value ? Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(value)) : null;
            return new Reading(frames, ParseStatus.Fault, wrong.Message, receipt);
        }
    }

    private ReadFrame ReadFrame()
    {
        _headers.Clear();
        _trims = false;
        SkipLineEnds();
        var began = _at;
        _command = ReadCommand();
        _trims = _version == StompVersion.V10;
        while (ReadHeaderLine(began) is { Length: > 0 } line)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            Require(colon > 0, "malformed frame");
            Require(_headers.Count < options.MaxHeaders, "frame too large");
            _headers.Add((line[..colon], line[(colon + 1)..]));
        }

        _trims |= IsConnect && _headers.All(header => header.Name != "accept-version");
        var unescaped = _headers.Select(header => (Name: Unescape(header.Name), Value: Unescape(Trim(header.Value)))).ToList();
        Require(_version != StompVersion.None || IsConnect, "not connected");
        var body = ReadBody();
        return new ReadFrame(_command, unescaped.Select(header => (Decode(header.Name), Decode(header.Value))).ToArray(), body);
    }

    private void SkipLineEnds()
    {
        while (true)
        {
            if (Next() == '\r')
            {
                _at++;
                if (Next() != '\n')
                {
                    _at--;
                    return;
                }
            }

            if (Next() != '\n')
            {
                return;
            }

            _at++;
        }
    }

    private StompCommand ReadCommand()
    {
        var line = new StringBuilder();
        while (Next() is not ('\n' or '\0'))
        {
            line.Append(Next());
            _at++;
            Require(line.Length < LongestCommandLine, "unknown command");
        }

        var text = line.ToString();
        text = text.EndsWith('\r') ? text[..^1] : text;
        Require(Commands.ContainsKey(text), "unknown command");
        Require(Next() == '\n', "malformed frame");
        _at++;
        return Commands[text];
    }

    // Empty at the blank line.
    private string ReadHeaderLine(int began)
    {
        var line = new StringBuilder();
        var headBytes = _at - began;
        while (true)
        {
            var endsInReturn = line.Length > 0 && line[^1] == '\r' && (_version != StompVersion.V11 || IsConnect);
            var length = line.Length - (endsInReturn ? 1 : 0);
            Require(length <= options.MaxHeaderLineBytes && headBytes + length <= options.MaxHeaderBytes, "frame too large");
            if (Next() == '\n')
            {
                _at++;
                var text = line.ToString(0, length);
                return text == "\r" ? "" : text;
            }

            Require(Next() != '\0', "malformed frame");
            line.Append(Next());
            _at++;
        }
    }

    private byte[] ReadBody()
    {
        var limit = _command is StompCommand.Send or StompCommand.Message or StompCommand.Error ? options.MaxBodyBytes
            : _version is StompVersion.V11 or StompVersion.V12 || First("accept-version") is not null && _version == StompVersion.None ? 0
            : Math.Min(options.MaxBodyBytes, options.MaxHeaderBytes);
        var tooMuch = limit == 0 ? "malformed frame" : "frame too large";
        var body = new List<byte>();
        if (First("content-length") is { } text)
        {
            Require(text.Length > 0 && text.All(char.IsAsciiDigit), "malformed frame");
            var declared = BigInteger.Parse(text, provider: null);
            Require(declared <= limit, tooMuch);
            while (body.Count < declared)
            {
                body.Add((byte)Next());
                _at++;
            }

            Require(Next() == '\0', "malformed frame");
        }

        while (Next() != '\0')
        {
            body.Add((byte)Next());
            _at++;
            Require(body.Count <= limit, tooMuch);
        }

        _at++;
        return [.. body];
    }

    private bool IsConnect => _command is StompCommand.Connect or StompCommand.Stomp;

    private string? First(string name)
    {
        foreach (var header in _headers)
        {
            if (header.Name == name)
            {
                return Trim(header.Value);
            }
        }

        return null;
    }

    private string Trim(string value) => _trims ? value.Trim(' ', '\t') : value;

    private string Unescape(string text)
    {
        if (_version == StompVersion.V10 || _command is StompCommand.Connect or StompCommand.Connected)
        {
            return text;
        }

        var plain = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                plain.Append(text[i]);
                continue;
            }

            i++;
            var letter = i < text.Length ? text[i] : '?';
            Require(letter is '\\' or 'n' or 'c' || (letter == 'r' && _version != StompVersion.V11), "malformed frame");
            plain.Append(letter switch { 'n' => '\n', 'c' => ':', 'r' => '\r', _ => '\\' });
        }

        return plain.ToString();
    }

    private static string Decode(string text)
    {
        try
        {
            return StrictUtf8.GetString(Encoding.Latin1.GetBytes(text));
        }
        catch (DecoderFallbackException)
        {
            throw new WrongException("malformed frame");
        }
    }

    private static StompVersion Negotiate(string? accepted)
    {
        var versions = (accepted ?? "1.0").Split(',').Select(version => version.Trim()).ToList();
        return versions.Contains("1.2") ? StompVersion.V12 : versions.Contains("1.1") ? StompVersion.V11 : versions.Contains("1.0") ? StompVersion.V10 : StompVersion.None;
    }

    private char Next() => _at < bytes.Length ? (char)bytes[_at] : throw new EndException();

    private static void Require(bool holds, string fault)
    {
        if (!holds)
        {
            throw new WrongException(fault);
        }
    }

    private sealed class EndException : Exception;

    private sealed class WrongException(string message) : Exception(message);
}
