namespace Millrace.App.Top;

/// <summary>What <c>millrace top</c> shows.</summary>
/// <param name="Prefix">Only queues whose names begin with this.</param>
/// <param name="Sort">By which column.</param>
/// <param name="Interval">From one reading to the next.</param>
/// <param name="Limit">At most so many queues; null: as many as there is room for.</param>
/// <param name="Iterations">How many tables to print; null: until told to stop.</param>
internal sealed record TopRequest(string Prefix, TopColumn Sort, TimeSpan Interval, int? Limit, int? Iterations);

/// <summary>A column to sort by; names are what the command line says.</summary>
internal enum TopColumn
{
    Ready,
    Leased,
    Dead,
    In,
    Out,
    Age,
    Name,
}
