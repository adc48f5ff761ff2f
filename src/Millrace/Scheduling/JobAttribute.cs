namespace Millrace.Scheduling;

/// <summary>
/// Names a job: the name under which its messages and schedules are kept, so that the class can be renamed and moved. Without it the name is that of the class in lower case with
/// dashes: <c>SendInvoice</c> is <c>send-invoice</c>.
/// </summary>
/// <param name="name">1 to 100 bytes of UTF-8 without control characters, <c>!</c>, <c>;</c> and <c>@</c>.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, Inherited = false)]
public sealed class JobAttribute(string name) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;

    /// <summary>The version of the arguments, from 1: raise it when old messages could no longer be read, and register a class for each version that is still about.</summary>
    public int Version { get; init; } = 1;
}
