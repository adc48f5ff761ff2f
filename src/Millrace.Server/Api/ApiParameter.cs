namespace Millrace.Server.Api;

/// <summary>A parameter of a query string, or a header field: how it is read, and what the description says of it.</summary>
/// <param name="Name">Its name, as it is sent.</param>
/// <param name="Summary">What it does.</param>
internal abstract record ApiParameter(string Name, string Summary);

/// <summary>Any text.</summary>
internal sealed record TextParameter(string Name, string Summary) : ApiParameter(Name, Summary)
{
    /// <summary>What it must look like, as a regular expression; null for any text.</summary>
    public string? Pattern { get; init; }

    /// <summary>The value; null when it is absent.</summary>
    public string? Read(ApiCall call) => call.Query(Name);
}

/// <summary>A whole number within bounds. <c>Default</c> holds when it is absent; null where that is no number.</summary>
internal sealed record NumberParameter(string Name, string Summary, long? Default, long Minimum, long Maximum) : ApiParameter(Name, Summary)
{
    public long Read(ApiCall call) => call.Query(Name, Default ?? Minimum, Minimum, Maximum);
}

/// <summary>One of a set of words.</summary>
internal abstract record ChoiceParameter(string Name, string Summary, string[] Words) : ApiParameter(Name, Summary);

/// <summary>One of a set of words; the first one holds when it is absent.</summary>
internal sealed record ChoiceParameter<T>(string Name, string Summary, params (string Word, T Value)[] Choices)
    : ChoiceParameter(Name, Summary, Array.ConvertAll(Choices, choice => choice.Word))
{
    public T Read(ApiCall call)
    {
        var text = call.Query(Name) ?? Choices[0].Word;
        var index = Array.IndexOf(Words, text);
        return index >= 0 ? Choices[index].Value : throw new Storage.Http.Wire.WireFormatException($"The parameter '{Name}' must be {string.Join(" or ", Words)}.");
    }
}
