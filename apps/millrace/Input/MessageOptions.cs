using System.CommandLine;
using System.CommandLine.Parsing;

namespace Millrace.App.Input;

/// <summary>The argument and options that describe messages: where their bodies come from, and what they bear. Shared by <c>send</c> and <c>publish</c>.</summary>
internal sealed class MessageOptions
{
    private const int MaxBatch = 10_000;

    /// <summary>What is made of the input.</summary>
    internal enum Kind
    {
        /// <summary>Messages of queues.</summary>
        Messages,

        /// <summary>Records of streams, which have neither ids nor wishes.</summary>
        Records,
    }

    private readonly Argument<string?> _message = new("MESSAGE")
    {
        Description = "The body, as text. Without it the input is read as JSON lines: one message a line, its body the line's bytes.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _file = new("--file", "-f") { Description = "Read from this file instead of standard input.", HelpName = "PATH" };
    private readonly Option<bool> _text = new("--text") { Description = "The lines are any text, not JSON." };
    private readonly Option<bool> _raw = new("--raw") { Description = "The whole input is one body, byte for byte." };
    private readonly Option<string?> _id = new("--id") { Description = "The id of a single message; the queue stores it once.", HelpName = "ID" };
    private readonly Option<string?> _key = new("--key", "-k") { Description = "Messages with one key are handled one at a time, in order.", HelpName = "KEY" };
    private readonly Option<string?> _idField = new("--id-field") { Description = "Take each line's id from this property of its JSON object.", HelpName = "NAME" };
    private readonly Option<string?> _keyField = new("--key-field") { Description = "Take each line's key from this property of its JSON object.", HelpName = "NAME" };
    private readonly Option<int> _priority = new("--priority", "-p") { Description = "0 (last) to 9 (first).", HelpName = "N", DefaultValueFactory = _ => MessagePriority.Default };
    private readonly Option<TimeSpan?> _delay = DurationText.Option("--delay", "Due after this time, such as 30s or 1h30m.");
    private readonly Option<TimeSpan?> _timeToLive = DurationText.Option("--ttl", "Expires after this time unless somebody was given it.");
    private readonly Option<string[]> _headers = new("--header", "-H") { Description = "A header; may be repeated.", HelpName = "NAME=VALUE" };
    private readonly Option<string?> _contentType = new("--content-type")
    {
        Description = "The media type. Otherwise application/json for JSON, text/plain for other text, none for --raw.",
        HelpName = "TYPE",
    };

    private readonly Option<int> _batch = new("--batch")
    {
        Description = $"At most so many lines are stored in one operation, all or none of them; 1 to {MaxBatch}. A slow input is never kept waiting for a full batch.",
        HelpName = "N",
        DefaultValueFactory = _ => 500,
    };

    private readonly Kind _kind;

    public MessageOptions(Kind kind = Kind.Messages)
    {
        _kind = kind;
        if (kind == Kind.Records)
        {
            _key.Description = "Records with one key go to one partition, in order.";
        }

        _batch.Validators.Add(Between(1, MaxBatch));
        _priority.Validators.Add(Between(MessagePriority.Lowest, MessagePriority.Highest));
    }

    public void AddTo(Command command)
    {
        command.Add(_message);
        Option[] ofMessages = _kind == Kind.Messages ? [_id, _idField, _priority, _delay, _timeToLive] : [];
        foreach (var option in (Option[])[_file, _text, _raw, _key, _keyField, _headers, _contentType, _batch, .. ofMessages])
        {
            command.Add(option);
        }
    }

    /// <summary>What the command line asks for.</summary>
    /// <exception cref="UsageException">Options that do not go together.</exception>
    public MessageRequest Read(ParseResult arguments)
    {
        var request = new MessageRequest
        {
            Message = arguments.GetValue(_message),
            File = arguments.GetValue(_file),
            IsText = arguments.GetValue(_text),
            IsRaw = arguments.GetValue(_raw),
            IdField = arguments.GetValue(_idField),
            KeyField = arguments.GetValue(_keyField),
            BatchSize = arguments.GetValue(_batch),
            Template = new Envelope
            {
                Id = arguments.GetValue(_id),
                Key = arguments.GetValue(_key),
                Priority = arguments.GetValue(_priority),
                Delay = arguments.GetValue(_delay) ?? TimeSpan.Zero,
                TimeToLive = arguments.GetValue(_timeToLive),
                Headers = ReadHeaders(arguments.GetValue(_headers) ?? []),
                ContentType = arguments.GetValue(_contentType),
            },
        };
        request.Validate();
        return request;
    }

    private static Action<OptionResult> Between(int minimum, int maximum) => result =>
    {
        if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && (value < minimum || value > maximum))
        {
            result.AddError($"{result.IdentifierToken?.Value} must be {minimum} to {maximum}, not {value}.");
        }
    };

    private static MessageHeaders? ReadHeaders(string[] texts) =>
        texts.Length == 0 ? null : MessageHeaders.Create(NamedValues.Read("--header", texts));
}

/// <summary>Which messages to make, from what.</summary>
internal sealed record MessageRequest
{
    public string? Message { get; init; }

    public string? File { get; init; }

    public bool IsText { get; init; }

    public bool IsRaw { get; init; }

    public string? IdField { get; init; }

    public string? KeyField { get; init; }

    public int BatchSize { get; init; }

    /// <summary>What every message bears; its body is not used.</summary>
    public Envelope Template { get; init; }

    /// <summary>Whether there is exactly one message.</summary>
    public bool IsSingle => Message is not null || IsRaw;

    public void Validate()
    {
        Refuse(Message is not null && File is not null, "MESSAGE and --file are two sources: give one of them.");
        Refuse(Message is not null && (IsRaw || IsText), "--raw and --text say how to read the input; they do not go with a MESSAGE argument.");
        Refuse(IsRaw && IsText, "--raw and --text exclude each other.");
        Refuse(!Template.Id.IsEmpty && !IsSingle, "--id is for a single message; for lines use --id-field.");
        Refuse((IdField ?? KeyField) is not null && (IsSingle || IsText), "--id-field and --key-field are for JSON lines.");
        Refuse(IdField is not null && !Template.Id.IsEmpty, "--id and --id-field exclude each other.");
        Refuse(KeyField is not null && Template.Key is not null, "--key and --key-field exclude each other.");
    }

    private static void Refuse(bool isWrong, string message)
    {
        if (isWrong)
        {
            throw new UsageException(message);
        }
    }
}
