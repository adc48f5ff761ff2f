using Millrace.Scheduling;

namespace Schedules;

/// <summary>The arguments of a job that is run by a class with services.</summary>
[Job("send-invoice")]
internal sealed record SendInvoice(string Order);
